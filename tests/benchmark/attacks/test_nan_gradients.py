"""Every attack with gradients: NaN in a branch that does not count changes no image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import LinearCase, linear_case
from spoilt import NanBackward, NanWhenBright, nan_branch, on_grey_levels
from torch import nn

from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Crafted
from estimators.classifier import Classifier
from estimators.outputs import NO_CLASS, predicted_classes
from estimators.spec import Spec

CASE: LinearCase = linear_case(6, classes=2)
SHAPE = CASE.x.shape[1:]
IDS = np.arange(6)
STOCK = {"engine": "stock"}
ATTACKS = {
    "fgsm": Spec.of("fgsm", eps=0.1),
    "fgm": Spec.of("fgm", eps=0.5),
    "pgd": Spec.of("pgd", eps=0.1, max_iter=5),
    "pgd in L2": Spec.of("pgd", eps=0.5, max_iter=5, norm=2),
    "bim": Spec.of("bim", eps=0.05),
    "apgd": Spec.of("apgd", eps=0.1, max_iter=8),
    "apgd dlr": Spec.of("apgd", eps=0.1, max_iter=8, loss="dlr"),
    "art-autoattack": Spec.of("art-autoattack", eps=0.1, max_iter=8, queries=4),
    "autoattack": Spec.of("autoattack", eps=0.1),
    "fab": Spec.of("fab", max_iter=8),
    "fab-t": Spec.of("fab-t", norm=2, max_iter=8),
    "strongest": Spec.of("strongest", eps=0.1, budget=120),
    "deepfool": Spec.of("deepfool"),
    "cw": Spec.of("cw", max_iter=20, binary_search_steps=3),
    "cw-art": Spec.of("cw-art", max_iter=10, binary_search_steps=10),
    "ddn": Spec.of("ddn", steps=20),
    "fmn": Spec.of("fmn", steps=20),
    "fmn in L0": Spec.of("fmn", steps=20, norm=0),
    "sigma-zero": Spec.of("sigma-zero", steps=20),
    "fgsm of ART": Spec.of("fgsm", eps=0.1, **STOCK),
    "pgd of ART": Spec.of("pgd", eps=0.1, max_iter=5, **STOCK),
    "apgd of ART": Spec.of("apgd", eps=0.1, max_iter=5, loss="ce", **STOCK),
    "deepfool of ART": Spec.of("deepfool", max_iter=5, **STOCK),
    "ElasticNet": Spec.of("art.attacks.evasion.ElasticNet", max_iter=20, initial_const=10),
}


def attacked(network: nn.Module, spec: Spec, x: np.ndarray = CASE.x) -> Crafted:
    classifier = Classifier(network, SHAPE, 2)
    # some of ART's classes draw from the global state
    np.random.seed(0)
    ((_, crafted),) = craft([check_attack(spec)], classifier, x, CASE.y, IDS, 0)
    return crafted


@pytest.mark.parametrize("name", ATTACKS)
def test_nan_gradients_change_no_image(name: str) -> None:
    expected, found = (attacked(n, ATTACKS[name]) for n in (CASE.network, nan_branch(CASE.network)))
    assert not np.array_equal(expected.images.numpy(), CASE.x)
    np.testing.assert_allclose(found.images.numpy(), expected.images.numpy(), atol=1e-6)
    assert found.nan_gradient.all() and not expected.nan_gradient.any()
    assert not found.zero_gradient.any()
    # what was computed again counts
    assert found.passes.gradients > expected.passes.gradients


@pytest.mark.parametrize("name", ["fgsm", "pgd", "bim", "apgd", "art-autoattack", "pgd of ART"])
def test_an_attack_goes_on_from_another_point(name: str) -> None:
    """No gradient comes back at whole grey levels, where each image starts."""
    levels = (CASE.x * 255).round().astype(np.float32) / np.float32(255)
    expected = attacked(CASE.network, ATTACKS[name], levels)
    found = attacked(NanBackward(CASE.network, on_grey_levels), ATTACKS[name], levels)
    broken = [wrong(crafted) for crafted in (expected, found)]
    assert broken[0] == broken[1] > 0
    assert found.nan_gradient.all()


def wrong(crafted: Crafted) -> int:
    predicted = CASE.classifier.predict(crafted.images.numpy()).argmax(1)
    return int((predicted != CASE.y).sum())


def test_without_any_gradient_images_move_and_the_share_says_so() -> None:
    blind = NanBackward(CASE.network, lambda x: torch.ones(len(x), dtype=torch.bool))
    found = attacked(blind, ATTACKS["pgd"])
    change = np.abs(found.images.numpy() - CASE.x).reshape(6, -1)
    assert (change.max(1) > 0.02).all() and change.max() <= 0.1 + 1e-6
    assert found.nan_gradient.all()
    # image by image, whatever the batch
    classifier = Classifier(blind, SHAPE, 2)
    spec = check_attack(ATTACKS["pgd"])
    ((_, alone),) = craft([spec], classifier, CASE.x[2:3], CASE.y[2:3], IDS[2:3], 0)
    np.testing.assert_allclose(alone.images.numpy(), found.images.numpy()[2:3], atol=1e-6)


def test_a_network_without_nan_is_asked_no_more() -> None:
    found = attacked(CASE.network, Spec.of("pgd", eps=0.1, max_iter=5))
    assert found.passes == (5, 0)
    assert attacked(CASE.network, ATTACKS["fgsm"]).passes == (1, 0)


def test_an_image_with_nan_outputs_has_no_faulty_gradient() -> None:
    x = np.full((2, *SHAPE), 0.4, dtype=np.float32)
    x[0] = 0.9
    classifier, y = Classifier(NanWhenBright(0.48), SHAPE, 3), np.zeros(2, dtype=np.int64)
    for attack in (Spec.of("fgsm", eps=0.0), Spec.of("pgd", eps=0.01, max_iter=2)):
        ((_, crafted),) = craft([check_attack(attack)], classifier, x, y, np.arange(2), 0)
        assert not crafted.zero_gradient.any() and not crafted.nan_gradient.any()
        assert np.array_equal(crafted.images.numpy()[0], x[0])


LOST = {
    "fgsm": Spec.of("fgsm", eps=0.2),
    "fgm": Spec.of("fgm", eps=1.6),
    "pgd": Spec.of("pgd", eps=0.2, max_iter=8),
    "apgd": Spec.of("apgd", eps=0.2, max_iter=8),
    "apgd dlr": Spec.of("apgd", eps=0.2, max_iter=8, loss="dlr"),
    "art-autoattack": Spec.of("art-autoattack", eps=0.2, max_iter=8, queries=4),
    "square": Spec.of("square", eps=0.2, queries=60),
    "autoattack": Spec.of("autoattack", eps=0.2),
    "fab": Spec.of("fab", norm=2, max_iter=20),
    "deepfool": Spec.of("deepfool"),
    "cw": Spec.of("cw", max_iter=60, binary_search_steps=6),
    "hopskipjump": Spec.of("hopskipjump", queries=200, init_eval=20),
    "ddn": Spec.of("ddn"),
    "fmn": Spec.of("fmn"),
    "fmn in L1": Spec.of("fmn", norm=1),
    "fmn in L0": Spec.of("fmn", norm=0),
    "sigma-zero": Spec.of("sigma-zero", steps=60),
    "pgd of ART": Spec.of("pgd", eps=0.2, max_iter=8, **STOCK),
}


@pytest.mark.parametrize("name", LOST)
def test_an_output_that_is_no_number_is_a_success(name: str) -> None:
    """Outputs turn NaN when an image becomes brighter; `argmax` would call it class 0, the label.

    From there on the image stays: a gradient would only take it away.
    """
    x = np.random.default_rng(0).uniform(0.3, 0.5, (5, *SHAPE)).astype(np.float32)
    network, y = NanWhenBright(0.48), np.zeros(5, dtype=np.int64)
    classifier = Classifier(network, SHAPE, 3)
    ((_, crafted),) = craft([check_attack(LOST[name])], classifier, x, y, np.arange(5), 0)
    outputs = classifier.logits(crafted.images)
    assert outputs.argmax(1).tolist() == [0] * 5
    assert predicted_classes(outputs).tolist() == [NO_CLASS] * 5
    # that the outputs are NaN is no fault of the gradient at the image
    assert not crafted.nan_gradient.any()
    if name in ("deepfool", "cw", "fab", "ddn", "fmn"):
        # and the nearest such image: the mean must rise to the threshold
        nearest = (0.48 - x.mean((1, 2, 3))) * np.sqrt(x[0].size)
        distance = np.linalg.norm((crafted.images.numpy() - x).reshape(5, -1), axis=1)
        assert (distance < 1.1 * nearest + 0.02).all()
