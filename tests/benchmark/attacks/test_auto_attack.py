"""AutoAttack as published: exact on linear networks, with few classes, behind what draws."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from closed_form import LinearCase, linear_case
from linear_box import BoxCase

from benchmark.attacks import auto_attack
from benchmark.attacks.auto_attack import AutoAttack
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.ensemble import part_names
from benchmark.attacks.fab import FAB
from benchmark.attacks.lookup import all_params, check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Crafted
from benchmark.grids.cell import Cell, Inputs
from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.classifier import Classifier
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.build import build_defence
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

NORMS = {"inf": math.inf, "2": 2.0, "1": 1.0}


@pytest.fixture
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Square with 300 of its 5,000 queries: what resists is resistant by closed form."""
    monkeypatch.setattr(auto_attack, "QUERIES", 300)


def between(exact: np.ndarray) -> float:
    """An eps at which some images of these distances fall, as far away from all as possible."""
    order = np.sort(exact)
    place = 1 + int((order[2:] / order[1:-1]).argmax())
    return float((order[place] * order[place + 1]) ** 0.5)


def crafted(case: LinearCase, part: slice = slice(None), **params: Any) -> Crafted:
    spec = check_attack(Spec.of("autoattack", params))
    ids = np.arange(len(case.x))[part]
    ((_, result),) = craft([spec], case.classifier, case.x[part], case.y[part], ids, 0)
    return result


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_robust_accuracy_is_exact(few_queries: None, norm: str, classes: int) -> None:
    case = linear_case(6, classes=classes)
    exact = BoxCase(case.classifier, case.x, case.y).nearest(NORMS[norm])
    eps = between(exact)
    # images closer to eps than this are not decided by what FAB and APGD promise
    assert (np.abs(exact / eps - 1) > 0.004).all()
    result = crafted(case, eps=eps, norm=norm)
    x_adv = result.images.numpy()
    broken = case.classifier.predict(x_adv).argmax(1) != case.y
    assert broken.tolist() == (exact < eps).tolist()
    size = np.linalg.norm((x_adv - case.x).reshape(6, -1), NORMS[norm], axis=1)
    assert (size <= eps * (1 + 1e-5)).all() and x_adv.min() >= 0 and x_adv.max() <= 1
    assert result.found is not None and result.found.part is not None
    assert ((result.found.part >= 0) == broken).all()


@pytest.mark.parametrize("version", ["plus", "rand"])
def test_other_versions_are_exact_too(few_queries: None, version: str) -> None:
    case = linear_case(4, classes=3)
    exact = case.linf.min(1)
    x_adv = crafted(case, eps=between(exact), version=version).images.numpy()
    broken = case.classifier.predict(x_adv).argmax(1) != case.y
    assert broken.tolist() == (exact < between(exact)).tolist()


def test_parts_are_those_of_the_authors() -> None:
    case = linear_case(1, classes=12)

    def parts(version: str, norm: str = "inf") -> dict[str, Any]:
        built = AutoAttack(case.classifier, norm, 0.1, version).parts
        return dict(zip(part_names({"version": version}, 12), built, strict=True))

    standard = parts("standard")
    assert list(standard) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert [standard[n].nb_random_init for n in ("apgd-ce", "apgd-t")] == [1, 1]
    assert (standard["apgd-t"].targets, standard["fab-t"].targets) == (9, 9)
    assert (standard["square"].queries, standard["fab-t"].max_iter) == (5000, 100)
    plus = parts("plus")
    assert list(plus) == ["apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"]
    assert [plus[n].nb_random_init for n in ("apgd-ce", "apgd-dlr", "apgd-t")] == [5, 5, 1]
    assert [(plus[n].restarts, plus[n].targets) for n in ("fab", "fab-t")] == [(5, 0), (1, 9)]
    rand = parts("rand")
    assert [(part.loss, part.eot_iter, part.nb_random_init) for part in rand.values()] == [
        ("ce", 20, 1),
        ("dlr", 20, 1),
    ]
    sparse = parts("standard", "1")
    assert (sparse["apgd-ce"].nb_random_init, sparse["apgd-t"].targets) == (5, 5)
    for part in (*standard.values(), *plus.values(), *rand.values()):
        assert part.eps == 0.1
        assert isinstance(part, FAB) or not isinstance(part, AutoPGD) or part.max_iter == 100


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (2, ["apgd-ce", "apgd-t (logit difference)", "fab-t", "square"]),
        (3, ["apgd-ce", "apgd-t (logit difference)", "fab-t", "square"]),
        (4, ["apgd-ce", "apgd-t", "fab-t", "square"]),
    ],
)
def test_names_say_which_loss_is_replaced(classes: int, names: list[str]) -> None:
    assert list(part_names({"version": "standard"}, classes)) == names
    parts = AutoAttack(linear_case(1, classes=classes).classifier, eps=0.1).parts
    used = [getattr(part, "loss_used", "") for part in parts]
    assert used[1] == ("dlr-targeted" if classes >= 4 else "margin")
    plus = dict(zip(part_names({"version": "plus"}, classes), range(6), strict=True))
    assert ("apgd-dlr" in plus) == (classes >= 3)


def test_an_image_gets_the_same_result_in_any_batch(few_queries: None) -> None:
    case = linear_case(7, classes=4)
    eps = between(case.linf.min(1))
    whole = crafted(case, eps=eps)
    parts = [crafted(case, part, eps=eps) for part in (slice(0, 2), slice(2, 3), slice(3, 7))]
    joined = np.concatenate([part.images.numpy() for part in parts])
    assert np.allclose(whole.images.numpy(), joined, atol=1e-6)
    found = [part.found.part for part in (whole, *parts) if part.found is not None]
    assert found[0].tolist() == np.concatenate(found[1:]).tolist()


@pytest.mark.parametrize(
    "params", [{}, {"norm": "1"}, {"version": "plus"}, {"version": "rand"}], ids=str
)
def test_the_passes_of_the_images_are_those_that_the_network_counts(
    few_queries: None, params: dict[str, str]
) -> None:
    case = linear_case(6, classes=4)
    norm = NORMS[params.get("norm", "inf")]
    eps = between(BoxCase(case.classifier, case.x, case.y).nearest(norm))
    result = crafted(case, eps=eps, **params)
    found = result.found
    assert found is not None and found.spent is not None and found.part is not None
    assert tuple(found.spent.mean(0)) == pytest.approx(tuple(result.passes))
    spent, stands = found.spent @ [2, 1], found.part < 0
    assert 0 < stands.sum() < 6
    # what stands took all passes of all parts
    assert spent[stands].min() > spent[~stands].max()


def test_an_image_takes_as_many_passes_in_any_batch(few_queries: None) -> None:
    case = linear_case(5, classes=3)
    eps = between(case.linf.min(1))
    whole = crafted(case, eps=eps).found
    assert whole is not None and whole.spent is not None
    for i in range(5):
        alone = crafted(case, slice(i, i + 1), eps=eps).found
        assert alone is not None and alone.spent is not None
        assert alone.spent[0].tolist() == whole.spent[i].tolist()


def test_only_what_stands_is_attacked() -> None:
    """Images that the first steps of the first part break cost no more passes than these."""
    result = crafted(linear_case(5), eps=0.5)
    assert result.found is not None and result.found.part is not None
    assert result.found.part.tolist() == [0] * 5
    assert result.passes.gradients <= 3
    # the clean image, the start of the part, and the judgement of its result
    assert result.passes.forwards == 3


@pytest.mark.parametrize("version", ["standard", "rand"])
def test_behind_a_random_defence(few_queries: None, version: str) -> None:
    """Noise blurs the boundary: `rand` breaks what the mean over draws breaks, 20 at a time."""
    case = linear_case(6, classes=3)
    exact = case.linf.min(1)
    defence = DefenceWithBackward(build_defence(Spec.of("gaussian", sigma=0.02)), fresh=True)
    classifier = Classifier(case.network, case.x.shape[1:], 3, defence)
    spec = check_attack(Spec.of("autoattack", eps=float(2.5 * np.median(exact)), version=version))
    ((_, result),) = craft([spec], classifier, case.x, case.y, np.arange(6), 0)
    if version == "rand":
        assert (result.passes.gradients * 6) % 20 == 0
    x_adv = result.images.numpy()
    assert np.abs(x_adv - case.x).max() <= 2.5 * np.median(exact) + 1e-6
    far = exact < 2 * np.median(exact)
    assert far.sum() >= 3
    # scored by draws that the attack did not see
    rng = np.random.default_rng(0)
    draws = [
        case.classifier.predict((x_adv + rng.normal(0, 0.02, x_adv.shape)).clip(0, 1)).argmax(1)
        for _ in range(50)
    ]
    hits = (np.array(draws) == case.y).mean(0)
    assert (hits[far] < (0.2 if version == "rand" else 0.9)).all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("autoattack:eps=0.1,queries=50", "queries is a parameter of art-autoattack"),
        ("autoattack:eps=0.1,max_iter=5", "max_iter is a parameter of art-autoattack"),
        ("autoattack:eps=0.1,targeted=true", "targeted is a parameter of art-autoattack"),
        ("autoattack:eps=0.1,engine=stock", "engine is a parameter of art-autoattack"),
        ("autoattack:eps=0.1,version=custom", "expected version to be standard or plus or rand"),
        ("autoattack:eps=0.1,norm=3", "expected norm to be inf or 2 or 1"),
        ("autoattack:eps=0.1,steps=5", "unknown parameter of the attack autoattack 'steps'"),
    ],
)
def test_other_parameters_are_one_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        check_attack(parse_spec(text))
    assert "\n" not in str(error.value)


def test_cells_of_the_earlier_attack_are_not_reused(tmp_path: Path) -> None:
    spec = check_attack(parse_spec("autoattack:eps=0.3"))
    assert json.loads(all_params(spec)) == {"norm": "inf", "version": "standard"}
    cell = Cell("digits", Spec("lenet"), spec, "oblivious", Spec("none"), 4, 0)
    # the key that the same cell had when the name stood for ART's sequence
    assert cell.key(Inputs("d", "w")) != cell.key(Inputs("d", "w", revision="2"))
    old = Inputs("d", "w")
    assert cell.key(old) == cell.key(Inputs("d", "w", revision=""))


def test_a_run_says_which_part_broke_how_many(tmp_path: Path, few_queries: None) -> None:
    attacks = [
        {"name": "autoattack", "eps": [0.0, 0.02, 0.1]},
        {"name": "art-autoattack", "eps": 0.1, "queries": 20, "max_iter": 5},
        {"name": "fgsm", "eps": 0.1},
    ]
    grid = Grid(
        name="parts", attacks=attacks, samples=8, defences=["none", {"name": "jpeg", "quality": 50}]
    )
    table = run(grid, RunOptions(out=tmp_path)).table
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    for row in table.itertuples():
        own = predictions[predictions["cell"] == row.cell]
        fell = own[(own["clean"] == own["label"]) & (own["adversarial"] != own["label"])]
        if row.attack == "fgsm" or row.eps == 0:
            assert row.broken_by == "" and own["part"].isna().all()
            continue
        counts = json.loads(row.broken_by)
        expected = ["apgd-ce", "apgd-t", "fab-t", "square"]
        if row.attack != "autoattack":
            expected = ["apgd-ce", "apgd-dlr", "deepfool", "square"]
        assert list(counts) == expected
        assert fell["part"].dropna().astype(str).value_counts().to_dict() == {
            k: n for k, n in counts.items() if n
        }
        if row.defence == "none":
            assert sum(counts.values()) == len(fell) == row.clean_correct - row.correct
    assert "apgd-ce" in set(predictions["part"].dropna())
    assert "Broken by" in (tmp_path / "report.html").read_text(encoding="utf-8")
