"""Attacks that search for the nearest adversarial image, at any scale of the logits.

In float32 the softmax of large logits is exactly 0 and 1, and a cross entropy has no gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from closed_form import SIDE, linear_case
from linear_box import BoxCase
from torch import nn

from benchmark.attacks.lookup import attack_norm, check_attack
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.steps.craft import craft
from estimators.classifier import Classifier
from estimators.spec import Spec

COUNT = 8
# each attack, and the largest distance over the optimum of linear networks with five classes
CASES: list[tuple[Spec, float]] = [
    (Spec.of("deepfool"), 1.01),
    (Spec.of("cw"), 1.15),
    (Spec.of("ddn"), 1.15),
    (Spec.of("fab", norm=2, max_iter=20), 1.01),
    (Spec.of("fab", norm="inf", max_iter=20), 1.01),
    (Spec.of("fab-t", norm=2, max_iter=20), 1.01),
    (Spec.of("fmn", norm=2), 1.15),
    (Spec.of("fmn", norm="inf"), 1.15),
    (Spec.of("fmn", norm=1), 1.3),
    (Spec.of("fmn", norm=0), 2.01),
    (Spec.of("sigma-zero", steps=200), 2.01),
    (Spec.of("hopskipjump", norm=2), 2.0),
    (Spec.of("hopskipjump", norm="inf"), 2.0),
]  # fmt: skip
# they take no scale from the outputs: ART's search for c begins at a constant
BY_DEFINITION = {"cw-art"}


class Scaled(nn.Module):
    """A network whose outputs are multiplied by a factor."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(x)
        return logits * self.factor


def attacked(
    spec: Spec, network: nn.Module, x: npt.NDArray[np.float32], y: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The distance to the attacked images [N], in the attack's norm, and which are wrong."""
    logits = network(torch.from_numpy(x))
    classifier = Classifier(network, x.shape[1:], logits.shape[1])
    ((_, crafted),) = craft([check_attack(spec)], classifier, x, y, np.arange(len(x)), 0)
    images = crafted.images.numpy()
    change = (images.astype(float) - x).reshape(len(x), -1)
    size = np.linalg.norm(change, float(attack_norm(spec)), axis=1)
    return np.asarray(size), classifier.predict(images).argmax(1) != y


def test_every_attack_without_a_bound_is_here() -> None:
    searched = {name for name, entry in ATTACKS.items() if not entry.bounded}
    assert searched == {spec.name for spec, _ in CASES} | BY_DEFINITION


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
@pytest.mark.parametrize(("spec", "most"), CASES, ids=lambda value: str(value))
def test_linear_networks(spec: Spec, most: float, scale: float) -> None:
    case = linear_case(COUNT, scale=scale)
    exact = BoxCase(case.classifier, case.x, case.y).nearest(float(attack_norm(spec)))
    size, wrong = attacked(spec, case.network, case.x, case.y)
    assert wrong.all()
    ratio = size / exact
    assert ratio.min() > 1 - 1e-5
    assert ratio.max() < most, ratio


@pytest.mark.parametrize(("spec", "_"), CASES, ids=lambda value: str(value))
def test_a_factor_of_the_outputs_changes_no_distance(spec: Spec, _: float) -> None:
    """A power of two is exact. The odds, which DDN follows, are others at another factor."""
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(SIDE * SIDE, 20), nn.ReLU(), nn.Linear(20, 4)
    network = nn.Sequential(*layers).eval()
    x = np.random.default_rng(0).random((COUNT, 1, SIDE, SIDE)).astype(np.float32)
    y = network(torch.from_numpy(x)).argmax(1).numpy()
    plain, wrong = attacked(spec, network, x, y)
    for factor in (2.0**10, 2.0**20):
        scaled, also = attacked(spec, Scaled(network, factor), x, y)
        assert np.array_equal(wrong, also)
        if spec.name == "ddn":
            assert wrong.all() and np.median(scaled / plain) < 1.001
        else:
            np.testing.assert_allclose(scaled, plain, rtol=1e-5)


@pytest.mark.parametrize("targeted", [False, True])
def test_ddn_follows_the_odds_where_the_cross_entropy_is_zero(targeted: bool) -> None:
    """With cross entropy one image in four ended more than 1.2 times as far as the optimum."""
    case = linear_case(24, scale=100.0)
    y = (case.y + 1) % 5 if targeted else case.y
    params = {"targeted": True} if targeted else {}
    spec = check_attack(Spec.of("ddn", **params))
    ((_, crafted),) = craft([spec], case.classifier, case.x, case.y, np.arange(24), 0)
    change = (crafted.images.numpy() - case.x).reshape(24, -1)
    exact = case.l2[np.arange(24), y] if targeted else case.l2.min(1)
    ratio = np.linalg.norm(change, axis=1) / exact
    assert np.quantile(ratio, 0.5 if targeted else 0.75) < 1.01
    assert math.isfinite(ratio.max())
