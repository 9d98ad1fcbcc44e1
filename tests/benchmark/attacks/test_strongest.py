"""The attack `strongest`: exact distances, its budget of passes, an image's own history."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from closed_form import LinearCase, linear_case
from spoilt import NanWhenBright
from torch import nn

from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Found
from benchmark.attacks.strongest import Strongest
from benchmark.attacks.strongest_rounds import CYCLE, OPENING, rounds
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.outputs import NO_CLASS, predicted_classes
from estimators.spec import Spec


class NoGradient(nn.Module):
    """A network whose gradient is zero everywhere."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.detach() + 0 * x)


def wrong(case: LinearCase, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return case.classifier.predict(x).argmax(1) != y


def between(distances: np.ndarray) -> float:
    """An eps that breaks half of the images, and ties with none."""
    ordered = np.sort(distances)
    return float((ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2)


def l1_distances(case: LinearCase) -> np.ndarray:
    """Distance in L1 for two classes: the pixels of most weight go to the edge of the box first."""
    weight = case.network[1].weight.detach().numpy().astype(np.float64)
    logits = case.classifier.predict(case.x)
    found = []
    for x, y, out in zip(case.x.reshape(len(case.x), -1), case.y, logits, strict=True):
        slope, gap, length = weight[1 - y] - weight[y], float(out[y] - out[1 - y]), 0.0
        for p in np.argsort(-np.abs(slope)):
            room = float(1 - x[p] if slope[p] > 0 else x[p])
            step = min(room, gap / abs(slope[p]))
            length, gap = length + step, gap - step * abs(slope[p])
        found.append(length)
    return np.array(found)


def passes(found: Found | None) -> np.ndarray:
    """Forward and backward passes of each image."""
    assert found is not None and found.spent is not None
    return found.spent @ [2, 1]


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_success_begins_at_the_exact_distance(norm: float | str) -> None:
    case = linear_case(4, classes=2)
    if norm == 1:
        distances = l1_distances(case)
    else:
        distances = (case.linf if norm == "inf" else case.l2).min(1)
    for i, distance in enumerate(distances):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.02):
            eps = float(share * distance)
            found = Strongest(case.classifier, norm, eps, budget=300).generate(x, y)
            size = np.linalg.norm((found - x).ravel(), math.inf if norm == "inf" else norm)
            assert size <= eps * (1 + 1e-5) + 1e-6
            assert wrong(case, found, y)[0] == (share > 1)


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_every_number_of_classes(classes: int) -> None:
    case = linear_case(5, classes=classes)
    for share in (0.99, 1.02):
        for i, distance in enumerate(case.linf.min(1)):
            x, y = case.x[i : i + 1], case.y[i : i + 1]
            found = Strongest(case.classifier, eps=float(share * distance), budget=400)
            assert wrong(case, found.generate(x, y), y)[0] == (share > 1)


def test_targeted_reaches_the_target_at_its_distance() -> None:
    case = linear_case(3, classes=4)
    order = case.classifier.predict(case.x).argsort(1)[:, ::-1]
    for i, rank in itertools.product(range(3), range(1, 4)):
        x, target = case.x[i : i + 1], order[i : i + 1, rank]
        for share in (0.99, 1.05):
            eps = float(share * case.linf[i, target[0]])
            attack = Strongest(case.classifier, eps=eps, budget=600, targeted=True)
            assert wrong(case, attack.generate(x, target), target)[0] == (share < 1)


def test_an_image_that_has_the_target_class_is_left_alone() -> None:
    case = linear_case(4)
    attack = Strongest(case.classifier, eps=0.1, targeted=True)
    assert np.array_equal(attack.generate(case.x, case.y), case.x)
    assert passes(attack.found).tolist() == [1] * 4


@pytest.mark.parametrize("budget", [1, 2, 12, 30, 77, 500, 2000])
def test_no_image_spends_more_than_its_budget(budget: int) -> None:
    case = linear_case(6)
    case.classifier.reset_counts()
    # half of the images can be broken
    eps = between(case.linf.min(1))
    attack = Strongest(case.classifier, eps=eps, budget=budget)
    images = attack.generate(case.x, case.y)
    counts = case.classifier.gradients, case.classifier.forwards
    found = attack.found
    assert found is not None and found.spent is not None and found.part is not None
    # the classifier counted the same
    assert tuple(found.spent.sum(0)) == counts
    spent, broken = passes(found), wrong(case, images, case.y)
    assert (spent <= budget).all()
    assert np.array_equal(found.part >= 0, broken)
    if budget >= 500:
        assert broken.sum() == 3
        # what stands spends all of it, but for less than a query
        assert (spent[~broken] >= budget - 1).all()
        assert (spent[broken] < budget).all()


def test_an_image_goes_its_own_way_in_any_batch() -> None:
    case = linear_case(7)
    eps = between(case.linf.min(1))
    attack = Strongest(case.classifier, eps=eps, budget=300)
    ids = np.arange(40, 47)
    together = attack.generate(case.x, case.y, ids=ids, seed=3)
    all_found = attack.found
    assert all_found is not None and all_found.spent is not None and all_found.part is not None
    for i in reversed(range(7)):
        alone = attack.generate(case.x[i : i + 1], case.y[i : i + 1], ids=ids[i : i + 1], seed=3)
        found = attack.found
        assert found is not None and found.spent is not None and found.part is not None
        assert np.allclose(alone[0], together[i], atol=1e-5)
        assert found.part[0] == all_found.part[i]
        assert np.array_equal(found.spent[0], all_found.spent[i])


def test_small_batches_of_the_network_change_no_way() -> None:
    """A network that takes three images at once takes the runs on an image in parts."""
    case = linear_case(4, classes=9)
    eps = between(case.linf.min(1))
    narrow = Classifier(case.network, case.x.shape[1:], 9, batch=3)
    found = []
    for classifier in (case.classifier, narrow):
        attack = Strongest(classifier, eps=eps, budget=400)
        broken = wrong(case, attack.generate(case.x, case.y), case.y)
        assert (passes(attack.found) <= 400).all()
        found.append(broken)
    assert np.array_equal(*found)


@pytest.mark.parametrize(("budget", "targets"), [(60, 1), (2000, 9), (5000, 99), (300, 0)])
@pytest.mark.parametrize("draws", [1, 4])
def test_rounds_fit_the_budget(budget: int, targets: int, draws: int) -> None:
    squares = budget // 10
    plan = list(rounds(budget, targets, draws, squares))
    assert sum(r.cost(draws) for r in plan) <= budget - squares
    assert all(r.targets <= targets for r in plan)
    # what is left is too little for a run
    if budget >= 300:
        left = budget - squares - sum(r.cost(draws) for r in plan)
        assert left < 2 * draws * 45 + 1
    # the cheap rounds come first
    assert [r.name for r in plan][:3] == [r.name for r in OPENING][: min(3, len(plan))]


def test_large_budgets_have_runs_of_several_hundred_steps() -> None:
    plan = list(rounds(30_000, 9, 1, 3000))
    assert max(r.steps for r in plan) >= 300
    assert {r.name for r in plan} == {r.name for r in (*OPENING, *CYCLE)}


def test_classes_beyond_the_ninth_are_tried() -> None:
    """Only class 13, the last one at the image, comes near: the others do not depend on it."""

    class Hidden(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = x.mean((1, 2, 3))
            others = torch.arange(13, 0, -1).float() / 20
            late = 60 * (mean - 0.55)
            fixed = others.expand(len(x), 13) + 1e-3 * x.flatten(1)[:, :13]
            return torch.cat([torch.ones_like(mean)[:, None], fixed, late[:, None]], 1)

    x = np.full((2, 1, 8, 8), 0.5, dtype=np.float32)
    y = np.zeros(2, dtype=np.int64)
    classifier = Classifier(Hidden(), (1, 8, 8), 15)
    assert classifier.predict(x)[0].argsort()[0] == 14
    for eps, broken in ((0.06, False), (0.07, True)):
        images = Strongest(classifier, eps=eps, budget=2000).generate(x, y)
        assert (classifier.predict(images).argmax(1) == 14).all() == broken


def test_square_gets_the_budget_where_gradients_are_masked() -> None:
    case = linear_case(3, classes=2)
    blind = Classifier(NoGradient(case.network), case.x.shape[1:], 2)
    eps = float(1.6 * case.linf.min(1).max())
    attack = Strongest(blind, eps=eps, budget=2000)
    images = attack.generate(case.x, case.y)
    assert wrong(case, images, case.y).all()
    assert attack.found is not None and attack.found.part is not None
    assert {attack.parts[p] for p in attack.found.part} <= {"ce", "square"}
    assert "square" in {attack.parts[p] for p in attack.found.part}
    assert (passes(attack.found) <= 2000).all()
    # far away nothing works: gradients took the opening alone
    attack = Strongest(blind, eps=eps / 20, budget=500)
    attack.generate(case.x, case.y)
    assert attack.found is not None and attack.found.spent is not None
    opening = list(rounds(499, 1, 1, 50))[: len(OPENING)]
    assert (attack.found.spent[:, 0] == sum(r.runs * r.steps for r in opening)).all()
    assert (passes(attack.found) >= 499).all()


def test_outputs_that_are_no_numbers_are_a_success() -> None:
    x = np.random.default_rng(0).uniform(0.3, 0.5, (5, 1, 8, 8)).astype(np.float32)
    y = np.zeros(5, dtype=np.int64)
    classifier = Classifier(NanWhenBright(0.48), (1, 8, 8), 3)
    images = Strongest(classifier, eps=0.2, budget=500).generate(x, y)
    outputs = classifier.logits(torch.from_numpy(images))
    assert predicted_classes(outputs).tolist() == [NO_CLASS] * 5


def test_craft_hands_over_what_each_image_spent() -> None:
    case = linear_case(6)
    spec = check_attack(Spec.of("strongest", eps=between(case.linf.min(1)), budget=200))
    ((_, crafted),) = craft([spec], case.classifier, case.x, case.y, np.arange(6), 0)
    assert crafted.found is not None and crafted.found.spent is not None
    assert crafted.found.spent.mean(0) == pytest.approx(tuple(crafted.passes))
    assert len(set(passes(crafted.found))) > 1


@pytest.mark.parametrize(
    ("params", "message"),
    [({"norm": 3}, "the norm"), ({"budget": 0}, "budget"), ({"budget": 1.5}, "budget")],
)
def test_bad_parameters(params: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Strongest(linear_case(1).classifier, **params)
