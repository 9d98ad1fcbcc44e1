"""Networks and images for the tests of layers on vectors of images."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from estimators.classifier import Classifier
from estimators.networks.running.lanes.front import Front
from estimators.networks.running.lanes.kernels import LANES

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
needs_vectors = pytest.mark.skipif(not LANES, reason="no numba, or a processor without FMA")
Shape = tuple[int, int, int]


def images(n: int, shape: Shape = GREY) -> torch.Tensor:
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


def fronts(module: nn.Module) -> int:
    return sum(isinstance(layer, Front) for layer in module.modules())


def sequence(*layers: nn.Module, shape: Shape = GREY) -> nn.Module:
    torch.manual_seed(6)
    made = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10)).eval()
    made(images(1, shape))
    made.to(memory_format=torch.channels_last)
    return made.requires_grad_(False)


def gradient(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    leaf = x.detach().clone().requires_grad_(True)
    labels = torch.arange(len(x)) % 10
    loss = functional.cross_entropy(network(leaf), labels, reduction="sum")
    return torch.autograd.grad(loss, leaf)[0]


def assert_same_under_attack(
    fast: Classifier, plain: Classifier, x: torch.Tensor, eps: float
) -> None:
    """Compare the bits of logits and gradients: of images, and after each of two FGSM steps.

    From the second step on the images lie in torch's usual layout.
    """
    y = torch.arange(len(x)) % 10
    for step in range(3):
        assert torch.equal(fast.logits(x), plain.logits(x))
        passed = plain.input_gradient(x, y)
        assert torch.equal(fast.input_gradient(x, y), passed)
        x = (x + eps * passed.sign()).clamp(0, 1)
        x = x.contiguous() if step else x


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors have the same bits; all NaN count as one, and so do both zeros."""
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(
        one.nan_to_num(0, 1, -1), other.nan_to_num(0, 1, -1)
    )
