"""Targeted APGD: which targets, which loss, what a run costs; and passes that draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from closed_form import linear_case
from torch import nn

from benchmark.attacks.apgd_targeted import TargetedAPGD
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.steps.ratios import dlr, targeted_dlr
from estimators.classifier import Classifier
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.gaussian import GaussianNoise
from estimators.errors import InputError


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
@pytest.mark.parametrize("norm", ["inf", 2])
def test_success_begins_at_the_distance_of_the_nearest_class(classes: int, norm) -> None:
    case = linear_case(5, classes=classes)
    nearest = (case.linf if norm == "inf" else case.l2).min(1)
    for i, exact in enumerate(nearest):
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.01):
            eps = float(share * exact)
            found = TargetedAPGD(case.classifier, norm, eps).generate(x, y)
            size = np.linalg.norm((found - x).ravel(), math.inf if norm == "inf" else 2)
            assert size <= eps * (1 + 1e-5)
            assert (case.classifier.predict(found).argmax(1) != y)[0] == (share > 1)


def test_few_classes_have_a_loss_of_their_own() -> None:
    used = [TargetedAPGD(linear_case(1, classes=k).classifier).loss_used for k in (2, 3, 4, 5)]
    assert used == ["margin", "margin", "dlr-targeted", "dlr-targeted"]
    used = [AutoPGD(linear_case(1, classes=k).classifier, loss="dlr").loss_used for k in (2, 3)]
    assert used == ["margin", "dlr"]
    targets = [TargetedAPGD(linear_case(1, classes=k).classifier).targets for k in (2, 5)]
    assert targets == [1, 4]


def test_losses_are_those_of_the_paper() -> None:
    logits = torch.tensor([[4.0, 1.0, 3.0, 0.5]])
    margin = logits[:, 0] - logits[:, 2]
    assert dlr(logits, margin).tolist() == pytest.approx([-1 / 3])
    assert targeted_dlr(logits, margin).tolist() == pytest.approx([-1 / (4 - 0.75)])
    assert targeted_dlr(logits[:, :3], margin).tolist() == [-1]
    assert dlr(logits[:, [0, 2]], margin).tolist() == [-1]


class OneWayOut(nn.Module):
    """Ten classes; the last is the least likely, and the only one that steps can reach."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits that depend on the mean pixel in the first and last class alone."""
        mean = x.flatten(1).mean(1, keepdim=True)
        rest = torch.linspace(0.6, 0.1, 8, device=x.device).expand(len(x), 8)
        return torch.cat([1 + 0 * mean, rest, 12 * mean - 6], dim=1)


def test_the_last_of_nine_targets_is_tried() -> None:
    """Cross entropy finds it, too; DLR on the second most likely class has no gradient to it."""
    classifier = Classifier(OneWayOut(), (1, 4, 4), 10)
    x, y = np.full((3, 1, 4, 4), 0.5, dtype=np.float32), np.zeros(3, dtype=np.int64)
    for targets, broken in ((8, False), (9, True)):
        attack = TargetedAPGD(classifier, eps=0.1, max_iter=20, targets=targets)
        found = attack.generate(x, y)
        assert (classifier.predict(found).argmax(1) != y).all() == broken


def test_images_leave_all_runs_when_one_succeeds() -> None:
    case = linear_case(6)
    nearest = case.linf.min(1)
    eps = float(np.median(nearest))
    attack = TargetedAPGD(case.classifier, eps=eps, max_iter=30, nb_random_init=2)
    case.classifier.reset_counts()
    found = attack.generate(case.x, case.y)
    won = case.classifier.predict(found).argmax(1) != case.y
    assert won.tolist() == (nearest <= eps * 1.001).tolist()
    used = attack.used.numpy()
    assert used.sum() == case.classifier.gradients
    assert (used[~won] == 30 * 4 * 2).all() and (used[won] < 30 * 4 * 2).all()


def test_an_image_has_the_same_result_in_any_batch() -> None:
    case = linear_case(6)
    attack = TargetedAPGD(case.classifier, eps=0.05, max_iter=15, nb_random_init=2)
    whole = attack.generate(case.x, case.y, np.arange(6))
    alone = attack.generate(case.x[4:5], case.y[4:5], np.array([4]))
    np.testing.assert_allclose(whole[4], alone[0], atol=1e-5)


def test_wrong_images_stay() -> None:
    case = linear_case(4)
    wrong = (case.y + 1) % 5
    found = TargetedAPGD(case.classifier, eps=0.3).generate(case.x, wrong)
    assert np.array_equal(found, case.x)
    assert case.classifier.gradients == 0


@pytest.mark.parametrize(("draws", "passes"), [(1, 5), (2, 6), (10, 10)])
def test_a_gradient_takes_as_many_passes_as_asked_for(draws: int, passes: int) -> None:
    """The draws of the threat count among them."""
    case = linear_case(1)
    defence = DefenceWithBackward(GaussianNoise(0.05), "surrogate", fresh=True)
    classifier = Classifier(case.network, (1, 8, 8), 5, defence=defence, draws=draws)
    classifier.bind(np.arange(1), 0)
    attack = AutoPGD(classifier, eps=1e-4, max_iter=3, eot_iter=5)
    attack.generate(case.x, case.y)
    assert classifier.gradients == 3 * passes


@pytest.mark.parametrize(
    ("params", "message"),
    [({"norm": 3}, "the norm"), ({"targets": 0}, "targets"), ({"eot_iter": 0}, "eot_iter")],
)
def test_bad_parameters(params, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TargetedAPGD(linear_case(1).classifier, **params)
