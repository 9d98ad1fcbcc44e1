"""Auto-PGD, AutoAttack, DeepFool, Square, HopSkipJump against exact distances: ours and ART's."""

from __future__ import annotations

import json
import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.evasion import AutoAttack as StockAutoAttack
from closed_form import LinearCase, linear_case

from benchmark.attacks.lookup import all_params, check_attack
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.square import Squares, square_share
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.momentum import checkpoints
from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from benchmark.runs.rows import row_of
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

BOUNDED: dict[str, dict[str, Any]] = {
    "bim": {"max_iter": 20, "eps_step": 0.03},
    "apgd-ce": {"loss": "ce"},
    "apgd-dlr": {"loss": "dlr"},
    "square": {"queries": 1500},
    "art-autoattack": {"queries": 50},
}
# targeted: more than the nearest class, so that other classes can be in the way
TARGETED: dict[str, dict[str, Any]] = {
    "apgd-ce": {"loss": "ce", "max_iter": 200},
    "apgd-dlr": {"loss": "dlr"},
    "square": {"queries": 800},
    "art-autoattack": {"queries": 50},
}
RANDOM = {
    "apgd": {"eps": 0.03, "max_iter": 10},
    "square": {"eps": 0.05, "queries": 60},
    "hopskipjump": {"queries": 150},
    "art-autoattack": {"eps": 0.08, "max_iter": 8, "queries": 40},
}


def attack(case: LinearCase, name: str, **params: Any) -> Any:
    """An attack by short name on a linear network."""
    return ATTACKS[name.removesuffix("-ce").removesuffix("-dlr")].built(case.classifier, params)


def wrong(case: LinearCase, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return case.classifier.predict(x).argmax(1) != y


def sizes(case: LinearCase, x: np.ndarray) -> np.ndarray:
    return np.linalg.norm((x - case.x[: len(x)]).reshape(len(x), -1), axis=1)


@pytest.mark.parametrize("name", BOUNDED)
def test_success_begins_at_the_exact_linf_distance(name: str) -> None:
    """Two classes, so every loss points the same way: 1 % below the distance nothing works."""
    case = linear_case(4, classes=2)
    for i, distance in enumerate(case.linf.min(1)):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.01):
            eps = float(share * distance)
            result = attack(case, name, eps=eps, **BOUNDED[name]).generate(x, y=y)
            assert np.abs(result - x).max() <= eps + 1e-6
            assert wrong(case, result, y)[0] == (share > 1)


@pytest.mark.parametrize("name", ["apgd", "art-autoattack"])
def test_success_begins_at_the_exact_l2_distance(name: str) -> None:
    case = linear_case(4, classes=2)
    for i, distance in enumerate(case.l2.min(1)):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.01):
            result = attack(case, name, eps=float(share * distance), norm=2).generate(x, y=y)
            assert np.linalg.norm(result - x) <= share * distance * (1 + 1e-5)
            assert wrong(case, result, y)[0] == (share > 1)


@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize("classes", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_targeted_success_begins_at_the_exact_distance_of_the_target(
    name: str, classes: int
) -> None:
    """No image reaches a class below its distance, and nearly all do a little above it.

    At the distance of class t it ties with the label; in these cases no third class is higher.
    """
    case = linear_case(3, classes=classes)
    order = case.classifier.predict(case.x).argsort(1)[:, ::-1]
    reached = []
    for rank in range(1, classes):
        for i, target in enumerate(order[:, rank]):
            x, y = case.x[i : i + 1], np.array([target])
            for share in (0.99, 1.05):
                eps = float(share * case.linf[i, target])
                result = attack(case, name, eps=eps, targeted=True, **TARGETED[name]).generate(x, y)
                assert np.abs(result - x).max() <= eps + 1e-6
                won = not wrong(case, result, y)[0]
                assert not (won and share < 1)
                reached += [won] if share > 1 else []
    # cross entropy pushes every other class down, not the one that is in the way
    assert np.mean(reached) >= (0.75 if name == "apgd-ce" else 1)


def test_targeted_autoattack_in_l2() -> None:
    case = linear_case(4, classes=2)
    for i, distance in enumerate(case.l2.min(1)):
        x, target = case.x[i : i + 1], 1 - case.y[i : i + 1]
        for share in (0.99, 1.01):
            eps = float(share * distance)
            result = attack(case, "art-autoattack", eps=eps, norm=2, targeted=True).generate(
                x, target
            )
            assert np.linalg.norm(result - x) <= eps * (1 + 1e-5)
            assert wrong(case, result, target)[0] == (share < 1)


def test_targeted_autoattack_leaves_images_of_the_target_alone() -> None:
    case = linear_case(6)
    result = attack(case, "art-autoattack", eps=0.1, targeted=True).generate(case.x, case.y)
    assert np.array_equal(result, case.x)
    assert case.classifier.gradients == 0


def test_trap_arts_targeted_autoattack_wants_labels_and_takes_targets_for_wrong_images(
    monkeypatch,
) -> None:
    """Its `targeted` adds runs against each class; y stays the true label, whatever its name."""
    monkeypatch.setitem(sys.modules, "multiprocess", ModuleType("multiprocess"))
    case = linear_case(4)
    target = (case.y + 1) % 5
    apgd = attack(case, "apgd", eps=0.3, engine="stock", max_iter=20)
    stock = StockAutoAttack(case.classifier, eps=0.3, eps_step=0.6, attacks=[apgd], targeted=True)
    assert np.array_equal(stock.generate(case.x.copy(), target), case.x)
    ours = attack(case, "art-autoattack", eps=0.3, targeted=True).generate(case.x, target)
    assert not wrong(case, ours, target).any()


def test_trap_arts_dlr_is_constant_where_the_target_comes_third() -> None:
    case = linear_case(6, classes=3)
    order = case.classifier.predict(case.x).argsort(1)
    stock = attack(case, "apgd", eps=0.1, loss="dlr", targeted=True, engine="stock")

    def steepest(target: np.ndarray) -> float:
        return float(np.abs(stock.estimator.loss_gradient(case.x, np.eye(3)[target])).max())

    assert steepest(order[:, 0]) < 1e-5 < 0.01 < steepest(order[:, 1])
    # test_targeted_success_begins_at_the_exact_distance_of_the_target has ours on all of these


def test_stock_autoattack_has_our_parameters(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    stock = attack(
        linear_case(1),
        "art-autoattack",
        eps=0.1,
        engine="stock",
        max_iter=7,
        queries=60,
        nb_random_init=2,
    )
    ce, dlr, _, square = stock.attacks
    assert [(a.max_iter, a.nb_random_init) for a in (ce, dlr)] == [(7, 2), (7, 2)]
    assert (ce.loss_type, dlr.loss_type) == ("cross_entropy", "difference_logits_ratio")
    assert (square.max_iter, square.eps) == (20, 0.1)


def test_deepfool_finds_the_exact_distance_and_arts_overshoots() -> None:
    case = linear_case(40)
    exact = case.l2.min(1)
    ours = attack(case, "deepfool").generate(case.x, y=case.y)
    assert wrong(case, ours, case.y).all()
    assert (sizes(case, ours) / exact).max() < 1.002
    # not on the boundary itself, where another batch may round the other way
    logits = case.classifier.predict(ours)
    ahead = logits.max(1) - logits[np.arange(40), case.y]
    assert (ahead > 0.9e-4 * np.abs(logits).max(1)).all()
    stock = attack(case, "deepfool", engine="stock", overshoot=0.02, max_iter=10)
    # a small number added to the norm keeps each step short of the boundary: all steps are taken,
    # and the overshoot at the end is what brings success
    assert sizes(case, stock.generate(case.x, y=case.y)) / exact == pytest.approx(1.02, abs=1e-4)
    short = attack(case, "deepfool", engine="stock", overshoot=0.0, max_iter=10)
    assert wrong(case, short.generate(case.x, y=case.y), case.y).mean() < 0.9


@pytest.mark.parametrize("name", ["deepfool", "hopskipjump"])
def test_trap_arts_class_drives_wrong_images_back(name: str) -> None:
    case = linear_case(6, classes=2)
    labels = 1 - case.y  # every image is wrong
    ours = attack(case, name).generate(case.x, y=labels)
    assert np.array_equal(ours, case.x)
    stock = attack(case, name, engine="stock").generate(case.x, y=labels)
    assert not wrong(case, stock, labels).any()


@pytest.mark.slow
def test_trap_arts_square_spares_the_last_row_and_column() -> None:
    case = linear_case(4, classes=2)
    np.random.seed(0)
    spared = 0
    for i, distance in enumerate(case.linf.min(1)):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        stock = attack(case, "square", eps=float(1.01 * distance), engine="stock", queries=1500)
        spared += not wrong(case, stock.generate(x, y=y), y)[0]
    assert spared == 4  # ours wins on all: test_success_begins_at_the_exact_linf_distance


def test_trap_arts_dlr_needs_three_classes() -> None:
    case = linear_case(2, classes=2)
    stock = attack(case, "apgd", eps=0.1, loss="dlr", engine="stock")
    with pytest.raises(IndexError):
        stock.generate(case.x, y=case.y)


def test_trap_arts_apgd_asks_a_copy_that_counts_nothing() -> None:
    case = linear_case(2)
    attack(case, "apgd", eps=0.01, loss="dlr", engine="stock", max_iter=5).generate(case.x, case.y)
    assert case.classifier.gradients == 0
    attack(case, "apgd", eps=0.01, loss="dlr", max_iter=5).generate(case.x, case.y)
    assert case.classifier.gradients == 10


def test_trap_arts_autoattack_wants_an_undeclared_package(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="multiprocess"):
        attack(linear_case(1), "art-autoattack", eps=0.1, engine="stock")


def test_trap_arts_hopskipjump_no_seed_repeats_it() -> None:
    case = linear_case(1)

    def run(engine: str) -> np.ndarray:
        np.random.seed(0)
        return attack(case, "hopskipjump", engine=engine, queries=150).generate(case.x, y=case.y)

    assert not np.array_equal(run("stock"), run("stock"))
    assert np.array_equal(run("fast"), run("fast"))


def test_hopskipjump_comes_near_within_its_budget() -> None:
    case = linear_case(8)
    ratios = []
    for queries in (150, 1000, 3000):
        case.classifier.reset_counts()
        result = attack(case, "hopskipjump", queries=queries).generate(case.x, y=case.y)
        assert case.classifier.forwards == 8 * queries
        assert wrong(case, result, case.y).all()
        ratios.append(np.median(sizes(case, result) / case.l2.min(1)))
    assert 1 < ratios[2] < ratios[1] < 1.3 < ratios[0]


def test_square_counts_a_query_a_square() -> None:
    case = linear_case(3)
    attack(case, "square", eps=0.001, queries=77).generate(case.x, y=case.y)
    assert case.classifier.forwards == 3 * 77
    case.classifier.reset_counts()
    # who is wrong already is asked once
    attack(case, "square", eps=0.001, queries=77).generate(case.x, y=(case.y + 1) % 5)
    assert case.classifier.forwards == 3


@pytest.mark.parametrize("name", RANDOM)
def test_chance_belongs_to_the_image(name: str) -> None:
    case = linear_case(9)
    ids = np.arange(9) * 7
    spec = check_attack(Spec.of(name, RANDOM[name]))

    def crafted(part: slice, seed: int = 3) -> np.ndarray:
        ((_, result),) = craft([spec], case.classifier, case.x[part], case.y[part], ids[part], seed)
        return result.images.numpy()

    whole = crafted(slice(0, 9))
    parts = np.concatenate([crafted(slice(0, 2)), crafted(slice(2, 9))])
    assert np.allclose(whole, parts, atol=1e-5)
    assert not np.allclose(whole, crafted(slice(0, 9), seed=4), atol=1e-5)


SIGNED = ("fgsm", "pgd", "bim", "apgd", "square", "art-autoattack")


@pytest.mark.parametrize("name", [*SIGNED, "fgm", "hopskipjump"])
def test_targeted_reaches_the_target(name: str) -> None:
    case = linear_case(5)
    eps = {} if name == "hopskipjump" else {"eps": 3.0 if name == "fgm" else 0.3}
    few = {"queries": 400} if name in ("square", "hopskipjump", "art-autoattack") else {}
    for target in ("next", 2):
        spec = check_attack(Spec.of(name, eps, targeted=True, target=target, **few))
        ((_, result),) = craft([spec], case.classifier, case.x, case.y, np.arange(5), 0)
        expected = (case.y + 1) % 5 if target == "next" else np.full(5, 2)
        assert (case.classifier.predict(result.images.numpy()).argmax(1) == expected).mean() >= 0.8


def test_an_image_of_the_target_class_is_left_as_it_is(digits: Images, digits_lenet) -> None:
    images = digits[:40]
    spec = check_attack(Spec.of("fgsm", eps=0.3, targeted=True, target=3))
    cell = Cell("digits", Spec("lenet"), spec, "oblivious", Spec("none"), 40, 0)
    trained = TrainedNetwork(digits_lenet, (1, 28, 28), 10)
    bench = ClassifierCache({("digits", Spec("lenet")): trained})
    (task,) = plan([cell])
    out = run_chunk(task, images, bench)[cell]
    there = images.y == 3
    assert 0 < there.sum() < 40
    assert not out.linf[there].any()
    assert np.array_equal(out.adversarial[there], out.clean[there])
    assert np.allclose(out.linf[~there].max(), 0.3)


def test_black_boxes_ask_what_they_may_ask() -> None:
    def cell(known: str, quality: int) -> Cell:
        spec = Spec.of("square", eps=0.1)
        return Cell("digits", Spec("lenet"), spec, known, Spec.of("jpeg", quality=quality), 5, 0)

    known = ("oblivious", "adaptive", "adaptive-diff")
    tasks = plan([cell(t, q) for t in known for q in (10, 50)])
    # without gradients there is nothing to differentiate
    assert [(t.sees.name, t.view.backward, len(t.cells)) for t in tasks] == [
        ("none", "identity", 2),
        ("jpeg", "identity", 2),
        ("jpeg", "identity", 2),
    ]


def test_every_new_attack_fills_a_row(digits: Images, digits_lenet) -> None:
    images = digits[:8]
    few = {
        "bim": {},
        "apgd": {"max_iter": 10},
        "deepfool": {},
        "square": {"queries": 50},
        "hopskipjump": {"queries": 150},
        "art-autoattack": {"max_iter": 5, "queries": 20},
    }
    jpeg = Spec.of("jpeg", quality=40)
    cells = []
    for name, params in few.items():
        eps = {"eps": 0.1} if ATTACKS[name].bounded else {}
        spec = check_attack(Spec.of(name, {**params, **eps}))
        cells += [
            Cell("digits", Spec("lenet"), spec, known, jpeg, 8, 0)
            for known in ("oblivious", "adaptive", "adaptive-diff")
        ]
    trained = TrainedNetwork(digits_lenet, (1, 28, 28), 10)
    bench = ClassifierCache({("digits", Spec("lenet")): trained})
    rows = {
        cell: row_of(cell, outcome)
        for task in plan(cells)
        for cell, outcome in run_chunk(task, images, bench).items()
    }
    for cell, row in rows.items():
        assert row["over_budget"] == 0
        black = cell.attack.name in ("square", "hopskipjump")
        assert (row["gradients"] == 0) == black
        assert (row["zero_gradient"] is None) == black
        assert row["forwards"] <= cell.attack.get("queries", 1000) + 40
        assert row["accuracy"] < row["clean_accuracy"] or cell.threat == "oblivious" or black


def test_parameters_are_written_out() -> None:
    bim = check_attack(Spec.of("bim", eps=8 / 255))
    assert json.loads(all_params(bim)) == {"engine": "fast", "eps_step": 1 / 255, "max_iter": 10}
    pgd = json.loads(all_params(check_attack(Spec.of("pgd", eps=0.1))))
    assert pgd == {"engine": "fast", "eps_step": 0.00625, "max_iter": 40, "norm": "inf"}
    with pytest.raises(InputError, match="unknown parameter of the attack deepfool 'eps'"):
        check_attack(Spec.of("deepfool", eps=0.1))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("apgd", {"eps": 0.1, "loss": "mse"}, "ce or dlr"),
        ("apgd", {"eps": 0.1, "norm": 3}, "the norm"),
        ("square", {"eps": 0.1, "p_init": 0}, "p_init"),
        ("square", {"eps": 0.1, "queries": 0}, "queries"),
        ("hopskipjump", {"norm": 1}, "the norm"),
        ("art-autoattack", {"eps": 0.1, "norm": 3}, "the norm"),
        ("deepfool", {"overshoot": -1}, "overshoot"),
        ("pgd", {"eps": 0.1, "drop_fallen": "yes"}, "drop_fallen"),
        ("bim", {"eps": 0.1, "drop_fallen": True, "engine": "stock"}, "has no drop_fallen"),
    ],
)
def test_bad_parameters(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        attack(linear_case(1), name, **params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apgd:eps=0.1,loss=mse", "expected loss to be ce or dlr, got 'mse'"),
        ("hopskipjump:norm=1", "expected norm to be inf or 2, got 1"),
        ("square:eps=0.1,queries=0", "expected queries to be an integer from 1 up"),
        ("pgd:eps=0.1,max_iter=many", "expected max_iter to be an integer from 1 up, got 'many'"),
        ("deepfool:engine=slow", "expected engine to be fast or stock"),
        ("deepfool:targeted=true", "unknown parameter of the attack deepfool 'targeted'"),
        ("apgd:eps=0.1,targeted=1", "expected targeted to be true or false, got 1"),
        ("apgd:eps=0.1,target=3", "a target needs targeted=true"),
        ("square:eps=0.1,targeted=true,engine=stock", "ART's class takes no targets"),
        ("art-autoattack:eps=0.1,targeted=true,engine=stock", "ART's class takes no targets"),
    ],
)
def test_bad_values_are_refused_before_anything_runs(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_attack(parse_spec(text))


def test_schedules_of_the_papers() -> None:
    assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99, 105]
    squares = Squares(torch.zeros(1, 1, 28, 28), 0.1, math.inf)
    assert squares.side(square_share(0.0, 0.8)) == 25
    assert squares.side(square_share(1.0, 0.8)) == 1
    assert squares.side(square_share(0.03, 0.8)) == round((0.8 / 8 * 784) ** 0.5)
