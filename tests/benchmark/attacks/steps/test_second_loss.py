"""Squashed outputs: every attack with gradients reaches what it reaches on the logits."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import linear_case
from spoilt import SQUASHING, Changed
from torch import nn

from benchmark.attacks.fast_gradient import smallest_move
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Crafted
from estimators.classifier import Classifier
from estimators.spec import Spec

# logits of 20 and more saturate in float32; around 0, so that the boundary does not
CASE = linear_case(8, scale=20, classes=2)
SHAPE = CASE.x.shape[1:]
LINF, L2 = (1.05 * float(np.where(np.isinf(d), 0, d).max()) for d in (CASE.linf, CASE.l2))
ATTACKS = {
    "fgsm": Spec.of("fgsm", eps=LINF),
    "fgm": Spec.of("fgm", eps=L2),
    "pgd": Spec.of("pgd", eps=LINF, max_iter=6),
    "pgd in L2": Spec.of("pgd", eps=L2, max_iter=6, norm=2),
    "bim": Spec.of("bim", eps=LINF, max_iter=6, eps_step=LINF / 3),
    "apgd": Spec.of("apgd", eps=LINF, max_iter=10),
    "apgd dlr": Spec.of("apgd", eps=LINF, max_iter=10, loss="dlr"),
    "art-autoattack": Spec.of("art-autoattack", eps=LINF, max_iter=10, queries=4),
    "autoattack": Spec.of("autoattack", eps=LINF),
    "fab": Spec.of("fab", norm=2, max_iter=10),
    "fab-t": Spec.of("fab-t", norm=2, max_iter=10),
    "deepfool": Spec.of("deepfool"),
    "cw": Spec.of("cw", max_iter=60, binary_search_steps=6),
    "ddn": Spec.of("ddn"),
    "fmn": Spec.of("fmn"),
    "fmn in L0": Spec.of("fmn", norm=0, steps=40),
    "sigma-zero": Spec.of("sigma-zero", steps=40),
    "fgsm of ART": Spec.of("fgsm", eps=LINF, engine="stock"),
    "pgd of ART": Spec.of("pgd", eps=LINF, max_iter=6, engine="stock"),
}


def network_of(squash: str) -> nn.Module:
    change = SQUASHING[squash]
    return Changed(CASE.network, lambda z, x: change(z - z.mean(1, keepdim=True), x)).eval()


def attacked(spec: Spec, squash: str, squashed: bool = True) -> tuple[Crafted, np.ndarray]:
    """Return what an attack makes of the images, and which of them are right then."""
    classifier = Classifier(network_of(squash), SHAPE, 2, squashed=squashed)
    ((_, crafted),) = craft([check_attack(spec)], classifier, CASE.x, CASE.y, np.arange(8), 0)
    logits = CASE.classifier.predict(crafted.images.numpy())
    return crafted, logits.argmax(1) == CASE.y


@pytest.mark.parametrize("squash", SQUASHING)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_eps_just_above_the_distance_is_enough(name: str, squash: str) -> None:
    """The exact distance of a linear network, which the squashing layer does not change."""
    crafted, right = attacked(ATTACKS[name], squash)
    assert not right.any()
    if crafted.found is not None and crafted.found.part is not None:
        # of both attacks, the one that broke the image names the part
        assert (crafted.found.part >= 0).all()
    if name in ("deepfool", "cw", "fab", "fab-t", "ddn", "fmn"):
        norm = np.linalg.norm((crafted.images.numpy() - CASE.x).reshape(8, -1), axis=1)
        assert (norm <= 1.06 * CASE.l2.min(1)).all()


@pytest.mark.parametrize("name", ["fgsm", "pgd", "bim", "apgd"])
def test_cross_entropy_alone_stops_early(name: str) -> None:
    """The fault itself: this network looks robust to attacks on its cross entropy."""
    crafted, right = attacked(ATTACKS[name], "softmax times 100", squashed=False)
    assert right.mean() > 0.5
    assert crafted.zero_gradient.mean() > 0.5


def test_the_second_attack_counts_its_passes() -> None:
    once, right = attacked(ATTACKS["pgd"], "softmax times 100", squashed=False)
    twice, _ = attacked(ATTACKS["pgd"], "softmax times 100")
    assert once.passes == (6, 0)
    # six gradients more where the image still stood; judged once, and those once more
    assert twice.passes == (6 + 6 * right.mean(), 1 + right.mean())
    assert attacked(ATTACKS["fgsm"], "sigmoid")[0].passes == (2, 1)


def test_several_eps_share_both_directions() -> None:
    classifier = Classifier(network_of("softmax times 100"), SHAPE, 2, squashed=True)
    specs = [check_attack(Spec.of("fgsm", eps=eps)) for eps in (0.0, LINF)]
    (_, none), (_, full) = craft(specs, classifier, CASE.x, CASE.y, np.arange(8), 0)
    assert np.array_equal(none.images.numpy(), CASE.x)
    assert (classifier.predict(full.images.numpy()).argmax(1) != CASE.y).all()


def test_targets_are_reached_too() -> None:
    spec = Spec.of("pgd", eps=LINF, max_iter=6, targeted=True)
    assert not attacked(spec, "softmax times 100")[1].any()


def test_attacks_without_gradients_are_not_repeated() -> None:
    crafted, _ = attacked(Spec.of("square", eps=LINF, queries=5), "sigmoid")
    assert crafted.passes.forwards <= 5


def test_logits_are_attacked_once() -> None:
    plain = Classifier(CASE.network, SHAPE, 2)
    for name, spec in ATTACKS.items():
        ((_, crafted),) = craft([check_attack(spec)], plain, CASE.x, CASE.y, np.arange(8), 0)
        assert name not in ("fgsm", "fgm") or crafted.passes == (1, 0)
        assert name not in ("pgd", "pgd in L2", "bim") or crafted.passes == (6, 0)


@pytest.mark.parametrize("squash", SQUASHING)
@pytest.mark.parametrize(("norm", "exact"), [("inf", CASE.linf), (2, CASE.l2)])
def test_the_smallest_eps_is_the_exact_distance(
    norm: float | str, exact: np.ndarray, squash: str
) -> None:
    """Without the margin, cross entropy has no gradient at the images that saturate."""
    classifier = Classifier(network_of(squash), SHAPE, 2, squashed=True)
    found, direction = smallest_move(classifier, CASE.x, CASE.y, norm, 2 * float(L2), 1e-4)
    np.testing.assert_allclose(found, exact.min(1), rtol=0.02)
    moved = np.clip(CASE.x + 1.02 * found.astype(np.float32).reshape(-1, 1, 1, 1) * direction, 0, 1)
    assert (CASE.classifier.predict(moved).argmax(1) != CASE.y).all()
