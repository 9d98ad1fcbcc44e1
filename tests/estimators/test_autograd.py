"""Gradients without NaN, and past a last squashing layer: both against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from closed_form import linear_case
from spoilt import SQUASHING, Changed, NanBackward, nan_branch, on_grey_levels
from torch import nn
from torch.nn import functional

from estimators.autograd import BackwardMode, noise_at
from estimators.classifier import Classifier

CASE = linear_case(6, classes=2)
SHAPE = CASE.x.shape[1:]


def gradient_of(network: nn.Module) -> tuple[torch.Tensor, Classifier]:
    classifier = Classifier(network, SHAPE, 2)
    x, y = torch.from_numpy(CASE.x), torch.from_numpy(CASE.y)
    found = classifier.mean_gradient(x, lambda z: functional.cross_entropy(z, y, reduction="sum"))
    return found, classifier


def test_a_branch_that_does_not_count_spoils_nothing() -> None:
    expected, clean = gradient_of(CASE.network)
    found, classifier = gradient_of(nan_branch(CASE.network))
    assert torch.equal(found, expected)
    # each image once; one more pass, and one forward pass to look at the outputs
    assert (classifier.backward_mode.broken, clean.backward_mode.broken) == (6, 0)
    assert (classifier.gradients, classifier.forwards) == (12, 6)
    assert (clean.gradients, clean.forwards) == (6, 0)


def test_a_gradient_is_taken_nearby_where_there_is_none() -> None:
    expected, _ = gradient_of(CASE.network)
    levels = torch.from_numpy(CASE.x).mul(255).round() / 255
    spoilt = NanBackward(CASE.network, lambda x: (x[:, None] == levels).flatten(2).all(2).any(1))
    classifier = Classifier(spoilt, SHAPE, 2)
    y = torch.from_numpy(CASE.y)
    found = classifier.mean_gradient(levels, lambda z: functional.cross_entropy(z, y))
    # two classes: the direction is the same everywhere
    assert torch.equal(found.sign(), expected.sign())


def test_an_image_without_any_gradient_moves_at_random() -> None:
    found, _ = gradient_of(NanBackward(CASE.network, lambda x: torch.ones(len(x), dtype=bool)))
    assert set(found.unique().tolist()) == {-1.0, 1.0}
    assert len(found.flatten(1).unique(dim=0)) == 6


def test_images_with_broken_outputs_stay() -> None:
    lost = Changed(CASE.network, lambda z, x: z * torch.tensor([torch.nan] + [1.0] * 5)[:, None])
    found, _ = gradient_of(lost)
    assert not found[0].any()
    assert torch.equal(found[1:], gradient_of(CASE.network)[0][1:])


def test_infinite_slopes_keep_their_sign() -> None:
    """At black pixels the slope of a root is infinite: the largest there is, not NaN or 0."""
    x = torch.tensor([[[[0.0, 0.25], [1.0, 0.0]]]])
    network = Changed(
        nn.Identity(), lambda z, x: torch.stack([x.sqrt().sum((1, 2, 3)), 0 * x[:, 0, 0, 0]], 1)
    )
    classifier = Classifier(network, (1, 2, 2), 2)
    found = classifier.mean_gradient(x, lambda z: z[:, 0].sum())
    assert found.flatten().tolist() == [1.0, 1.0, 0.5, 1.0]


def test_an_infinite_slope_of_one_branch_does_not_hide_the_other() -> None:
    """The root of black pixels would decide their sign, however little it changes the outputs."""
    weight = torch.tensor([-1.0, 2.0, 3.0, 4.0])

    def change(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        pixels = x.flatten(1)
        value = (weight * pixels).sum(1) + 1e-6 * pixels.sqrt().sum(1)
        return torch.stack([value, 0 * value], 1)

    x = torch.tensor([[[[0.0, 0.25], [1.0, 0.0]]]])
    classifier = Classifier(Changed(nn.Identity(), change), (1, 2, 2), 2)
    found = classifier.mean_gradient(x, lambda z: z[:, 0].sum())
    assert torch.allclose(found.flatten(), weight, atol=1e-5)


def test_noise_depends_on_the_image_alone() -> None:
    x, chosen = torch.from_numpy(CASE.x), torch.tensor([True, False, True, True, True, True])
    whole = noise_at(x, chosen, 1)
    assert not whole[1].any() and whole.abs().max() <= 1
    assert torch.equal(noise_at(x[2:4], chosen[2:4], 1), whole[2:4])
    assert not torch.equal(noise_at(x, chosen, 2), whole)


@pytest.mark.parametrize("name", SQUASHING)
def test_gradients_pass_a_last_squashing_layer(name: str) -> None:
    """Logits of 30 and more saturate it; the gradient of the margin is along that of the logits."""
    case = linear_case(6, scale=30, classes=2)
    classifier = Classifier(Changed(case.network, SQUASHING[name]), SHAPE, 2, squashed=True)
    y = np.eye(2, dtype=np.float32)[case.y]
    saturated = classifier.loss_gradient(case.x, y)
    with classifier.margin_loss():
        found = classifier.loss_gradient(case.x, y)
    assert np.array_equal(classifier.loss_gradient(case.x, y), saturated)
    layer = case.network[1].weight.detach().numpy()
    away = (layer[1 - case.y] - layer[case.y]).reshape(found.shape)
    one, other = (g.reshape(6, -1) for g in (found, away))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    # a factor by image has a gradient of its own
    assert ((one * other).sum(1) / lengths > (0.99 if "objectness" in name else 1 - 1e-6)).all()
    assert np.abs(saturated).mean() < 0.1 * np.abs(found).mean()


MODES: dict[str, Callable[[], BackwardMode]] = {
    "plain": BackwardMode,
    "finite": lambda: BackwardMode(finite=True),
    "past squashing": lambda: BackwardMode(past_squashing=True),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_sound_network_keeps_its_gradient_in_every_mode(mode: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten())
    network = nn.Sequential(network, nn.Linear(108, 2)).eval()
    leaf = torch.from_numpy(CASE.x).requires_grad_(True)
    (expected,) = torch.autograd.grad(network(leaf).sin().sum(), leaf)
    (found,) = torch.autograd.grad(MODES[mode]().applied(network(leaf)).sin().sum(), leaf)
    assert torch.equal(found, expected)


def test_grey_levels_are_recognised() -> None:
    x = torch.tensor([0.0, 17 / 255, 0.5, 1.0]).view(-1, 1, 1, 1)
    assert on_grey_levels(x).tolist() == [True, True, False, True]
