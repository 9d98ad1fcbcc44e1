"""Squashed outputs are found on clean and on attacked images, with a handful of passes."""

from __future__ import annotations

import pytest
import torch
from spoilt import SQUASHING, Changed
from torch import nn

from estimators.data.images import Images
from estimators.networks.checks.squashed import SAMPLE, squashed


def own_softmax(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    powers = torch.exp(z - z.amax(1, keepdim=True))
    return powers / powers.sum(1, keepdim=True)


FAULTS = {
    "sigmoid": (SQUASHING["sigmoid"], "outputs lie in [0, 1]"),
    "tanh": (SQUASHING["tanh"], "outputs lie in [-1, 1]"),
    "softmax": (SQUASHING["softmax"], "are probabilities (each image's sum to 1)"),
    "softmax by hand": (own_softmax, "are probabilities (each image's sum to 1)"),
    "softmax times 100": (SQUASHING["softmax times 100"], "factor (each image's sum to 100)"),
    "scaled tanh": (lambda z, x: 7 * torch.tanh(z / 5) + 1, "outputs come from a tanh"),
    "clamped": (lambda z, x: z.clamp(-5, 5), "outputs are exactly -5"),
    "relu": (lambda z, x: z.relu(), "outputs are exactly 0, as those of a clamp or ReLU"),
    "large logits": (lambda z, x: 100 * z, "gradient of cross entropy is zero for"),
    # no value is zero, but for five images the L2 norm in float32 is
    "rather large logits": (lambda z, x: 3 * z, "gradient of cross entropy is zero for"),
    "small logits": (
        lambda z, x: 0.05 * z,
        "the softmax of its outputs gives no class more than 0.",
    ),
    "tiny logits": (lambda z, x: 1e-8 * z, "gives no class more than 0.1: cross entropy follows"),
    "squashed when bright": (
        lambda z, x: torch.where(x.amax((1, 2, 3))[:, None] > 2, z, 60 * z),
        "gradient of cross entropy is zero",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_squashed_outputs_are_said(digits: Images, digits_lenet: nn.Module, fault: str) -> None:
    change, expected = FAULTS[fault]
    told = squashed(Changed(digits_lenet, change).eval(), digits)
    assert told is not None and expected in told
    assert "\n" not in told and "repeated with the margin" in told


def test_logits_are_not(digits: Images, digits_lenet: nn.Module) -> None:
    assert squashed(digits_lenet, digits) is None
    # log-probabilities have the gradient of logits
    assert squashed(Changed(digits_lenet, lambda z, x: z.log_softmax(1)), digits) is None
    # outputs that are no numbers say nothing
    assert squashed(Changed(digits_lenet, lambda z, x: z * torch.nan), digits) is None


def test_a_loss_that_saturates_under_attack_alone(digits: Images, digits_lenet: nn.Module) -> None:
    """The clean images are as they should be; moved by 0.3, their loss has no gradient."""

    def change(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        levels = ((255 * x).round() / 255 - x).abs().flatten(1).amax(1) < 1e-6
        return torch.where(levels[:, None], z, 0 * z + 1000 * torch.eye(10)[z.argmax(1)])

    told = squashed(Changed(digits_lenet, change), digits)
    assert told is not None and "(attacked ones)" in told


def test_it_costs_three_passes_of_sixteen_images(digits: Images, digits_lenet: nn.Module) -> None:
    seen: list[int] = []
    squashed(Changed(digits_lenet, lambda z, x: (seen.append(len(x)), z)[1]), digits)
    assert seen == [SAMPLE] * 3 == [16] * 3


def test_a_network_that_raises_is_left_to_the_run(digits: Images, digits_lenet: nn.Module) -> None:
    def change(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("too bright")

    assert squashed(Changed(digits_lenet, change), digits) is None


def test_two_classes_have_one_margin(digits: Images, digits_lenet: nn.Module) -> None:
    """Cross entropy of two logits grows with their margin, however small they are."""
    y = digits_lenet(torch.from_numpy(digits.x)).softmax(1)[:, :2].argmax(1).numpy()
    pair = Images(digits.pixels, y, digits.ids)
    small = Changed(digits_lenet, lambda z, x: 0.001 * z[:, :2]).eval()
    assert squashed(small, pair) is None


def test_small_logits_at_chance_are_those_of_no_training(digits: Images) -> None:
    class Small(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.5 * torch.sin(x.flatten(1)[:, ::70][:, :10] + torch.arange(10))

    assert squashed(Small(), digits) is None
