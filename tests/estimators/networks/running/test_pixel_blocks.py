"""The gradient of images by blocks of pixels is torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from estimators.networks.running.pixel_blocks import blocks


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "side"),
    [(7, 2, 3, 2), (3, 1, 1, 2), (3, 2, 1, 2), (11, 4, 2, 4), (4, 2, 0, 4)],
)
def test_blocks_are_the_gradient(
    kernel: int, stride: int, pad: int, side: int, channels: int
) -> None:
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(5, channels, kernel, kernel, generator=random)
    x = torch.zeros(2, channels, 24, 16, requires_grad=True)
    out = functional.conv2d(x, weight, stride=stride, padding=pad)
    gradient = torch.randn(out.shape, generator=random)
    (right,) = torch.autograd.grad(out, x, gradient)
    made = blocks(weight, stride, (pad, pad), side)
    last = gradient.contiguous(memory_format=torch.channels_last)
    for given in (gradient, last):
        found = made.gradient(given, x.shape)
        assert found is not None
        torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)
    assert made.gradient(gradient, torch.Size((2, channels, 24, 17))) is None
    gradient[1, 2, 3, 1] = torch.inf
    assert made.gradient(gradient, x.shape) is None
