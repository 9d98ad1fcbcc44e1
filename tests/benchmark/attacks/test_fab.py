"""FAB against the exact distances of linear networks, with and without an active box."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from closed_form import SIDE, LinearCase, linear_case
from linear_box import BoxCase
from spoilt import NanWhenBright
from torch import nn

from benchmark.attacks.fab import FAB
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.spec import Spec

NORMS = {"inf": math.inf, "2": 2.0, "1": 1.0}


def sizes(x: np.ndarray, x_adv: np.ndarray, norm: float) -> np.ndarray:
    return np.asarray(np.linalg.norm((x_adv - x).reshape(len(x), -1), norm, axis=1))


def dark_and_bright(case: LinearCase, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with most pixels at 0 or 1, and the classes that the network predicts for them."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (count, 1, SIDE, SIDE)).astype(np.float32)
    grey = rng.random(x.shape) < 0.3
    x[grey] = rng.random(int(grey.sum())).astype(np.float32)
    return x, case.classifier.predict(x).argmax(1)


@pytest.mark.parametrize("targets", [0, 9])
@pytest.mark.parametrize("norm", NORMS)
def test_the_distance_is_the_optimum_while_the_box_is_inactive(norm: str, targets: int) -> None:
    case = linear_case(10)
    x_adv = FAB(case.classifier, norm, targets=targets).generate(case.x, case.y)
    assert (case.classifier.predict(x_adv).argmax(1) != case.y).all()
    # the step along one pixel, which is the nearest in L1, ends at the box
    exact = {"inf": case.linf.min(1), "2": case.l2.min(1)}.get(norm)
    exact = BoxCase(case.classifier, case.x, case.y).nearest(1.0) if exact is None else exact
    ratio = sizes(case.x, x_adv, NORMS[norm]) / exact
    assert ratio.min() >= 1 and ratio.max() < 1.01


@pytest.mark.parametrize("targets", [0, 9])
@pytest.mark.parametrize("norm", NORMS)
def test_the_distance_is_the_optimum_within_the_box(norm: str, targets: int) -> None:
    """Untargeted with two classes: which of several is the nearest, FAB decides without the box."""
    case = linear_case(1, classes=5 if targets else 2)
    x, y = dark_and_bright(case, 10)
    x_adv = FAB(case.classifier, norm, targets=targets).generate(x, y)
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    assert (case.classifier.predict(x_adv).argmax(1) != y).all()
    ratio = sizes(x, x_adv, NORMS[norm]) / BoxCase(case.classifier, x, y).nearest(NORMS[norm])
    assert ratio.min() >= 1 and ratio.max() < 1.01


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targets", [0, 9])
def test_with_eps_success_begins_at_the_optimum(norm: str, targets: int) -> None:
    """As a part of AutoAttack: nothing outside eps, and images leave with the first success."""
    case = linear_case(6, classes=3)
    exact = BoxCase(case.classifier, case.x, case.y).nearest(NORMS[norm])
    for i, distance in enumerate(exact):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.02):
            case.classifier.reset_counts()
            eps = float(share * distance)
            x_adv = FAB(case.classifier, norm, targets=targets, eps=eps).generate(x, y)
            assert sizes(x, x_adv, NORMS[norm])[0] <= eps * (1 + 1e-6)
            broken = case.classifier.predict(x_adv).argmax(1)[0] != y[0]
            assert broken == (share > 1)
            assert broken or np.array_equal(x_adv, x)
            # 100 steps of two runs, or of one with three backward passes
            assert (case.classifier.gradients < 100) if broken else case.classifier.gradients >= 200


@pytest.mark.parametrize("targets", [0, 9])
def test_large_logits_hide_no_boundary(targets: int) -> None:
    """A point counts where a logit is ahead by a share of the largest: steps must lead there."""
    case = linear_case(6)
    with torch.no_grad():
        case.network[1].bias += 3000.0
    classifier = Classifier(case.network, case.x.shape[1:], 5)
    x_adv = FAB(classifier, targets=targets).generate(case.x, case.y)
    assert (classifier.predict(x_adv).argmax(1) != case.y).all()


def test_restarts_bring_no_image_farther_away() -> None:
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(SIDE * SIDE, 20), nn.ReLU(), nn.Linear(20, 4)
    classifier = Classifier(nn.Sequential(*layers), (1, SIDE, SIDE), 4)
    x = np.random.default_rng(0).random((8, 1, SIDE, SIDE)).astype(np.float32)
    y = classifier.predict(x).argmax(1)
    for norm, order in NORMS.items():
        one, three = (
            sizes(x, FAB(classifier, norm, max_iter=20, restarts=n).generate(x, y), order)
            for n in (1, 3)
        )
        assert (three <= one * (1 + 1e-3)).all() and (one > 0).all()


@pytest.mark.parametrize(
    "params",
    [
        {"norm": "inf"},
        {"norm": "1", "targets": 9},
        {"norm": "2", "targets": 9, "eps": 0.3, "restarts": 2},
        {"norm": "inf", "eps": 0.06, "restarts": 3},
    ],
)
def test_an_image_gets_the_same_result_in_any_batch(params: dict[str, Any]) -> None:
    case = linear_case(9)
    attack = FAB(case.classifier, max_iter=8, **params)
    ids = np.arange(9) * 3
    whole = attack.generate(case.x, case.y, ids, 5)
    order = [4, 0, 8, 2, 6, 1, 7, 3, 5]
    case.classifier.batch = 2
    parts = [attack.generate(case.x[i], case.y[i], ids[i], 5) for i in (order[:2], order[2:])]
    assert np.allclose(whole[order], np.concatenate(parts), atol=1e-6)


@pytest.mark.parametrize("targets", [0, 9])
def test_an_image_that_is_wrong_stays_and_costs_one_pass(targets: int) -> None:
    case = linear_case(4)
    x_adv = FAB(case.classifier, targets=targets).generate(case.x, (case.y + 1) % 5)
    assert np.array_equal(x_adv, case.x)
    assert (case.classifier.gradients, case.classifier.forwards) == (0, 4)


@pytest.mark.parametrize(
    "params", [{}, {"targets": 3}, {"targets": 3, "eps": 0.05}, {"restarts": 2}], ids=str
)
def test_the_passes_of_the_images_are_those_that_the_network_counts(params: dict[str, Any]) -> None:
    case = linear_case(5)
    case.classifier.reset_counts()
    attack = FAB(case.classifier, max_iter=7, **params)
    attack.generate(case.x, np.roll(case.y, 1))
    counts = case.classifier.gradients, case.classifier.forwards
    assert tuple(attack.spent().sum(0).tolist()) == counts


@pytest.mark.parametrize("targets", [0, 9])
def test_outputs_that_are_no_numbers_are_adversarial(targets: int) -> None:
    x = np.random.default_rng(0).uniform(0.3, 0.5, (3, 1, SIDE, SIDE)).astype(np.float32)
    classifier = Classifier(NanWhenBright(0.48), (1, SIDE, SIDE), 3)
    labels = np.zeros(3, dtype=np.int64)
    x_adv = FAB(classifier, "2", targets=targets).generate(x, labels)
    assert np.isfinite(x_adv).all()
    assert not np.isfinite(classifier.predict(x_adv)).all(1).any()


@pytest.mark.parametrize("name", ["fab", "fab-t"])
def test_the_rows_of_the_registry(name: str) -> None:
    case = linear_case(4)
    spec = check_attack(Spec.of(name, norm=1, max_iter=30))
    ((_, crafted),) = craft([spec], case.classifier, case.x, case.y, np.arange(4), 0)
    exact = BoxCase(case.classifier, case.x, case.y).nearest(1.0)
    assert sizes(case.x, crafted.images.numpy(), 1.0) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"norm": 3}, "the norm"),
        ({"alpha_max": 1}, "alpha_max"),
        ({"eta": 0.9}, "eta"),
        ({"beta": 1.0}, "beta"),
        ({"restarts": 0}, "restarts"),
        ({"targets": -1}, "targets"),
        ({"eps": math.inf}, "eps"),
    ],
)
def test_bad_parameters_are_one_line(params: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        FAB(linear_case(1).classifier, **params)
