"""Layers before a network, so that eps stays in pixels: normalisation, low-pass, grey to colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from estimators.errors import InputError, number
from estimators.spec import Value

# taps beyond this many standard deviations hold less than 1e-4 of a kernel
REACH = 4


class Normalise(nn.Module):
    """Compute (x - mean) / std per channel."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return normalised images of images [N, C, H, W] in [0, 1]."""
        return (x - self.mean) / self.std


class GreyToColour(nn.Module):
    """Copy a grey image to three equal channels, for networks that take colour images only.

    The gradient at a grey pixel is the sum over its three copies, so eps stays in pixels.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, 3, H, W] of images [N, 1, H, W]."""
        return x.expand(-1, 3, -1, -1)


class LowPass(nn.Module):
    """Blur each channel with a Gaussian of `sigma` pixels; images keep their size.

    The kernel is sampled at whole pixels and cut at 4 sigma. It is a buffer and does not train;
    gradients pass through. Borders are mirrored. A wave of f cycles per pixel along an axis is
    scaled by the sum over k of exp(-2 pi^2 sigma^2 (f - k)^2) over the same at f = 0 (Poisson's
    summation), up to the cut; from sigma = 1 on this is exp(-2 pi^2 sigma^2 f^2) within 0.01.
    """

    kernel: torch.Tensor

    def __init__(self, sigma: float) -> None:
        """Make the kernel of a width in pixels; InputError unless it is above 0."""
        super().__init__()
        number("low_pass", sigma, 0, ends="(]")
        self.radius = math.ceil(REACH * sigma)
        at = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weight = torch.exp(-(at**2) / (2 * sigma**2))
        self.register_buffer("kernel", (weight / weight.sum()).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return blurred images [N, C, H, W]."""
        channels, radius = x.shape[1], self.radius
        padded = functional.pad(x, (radius,) * 4, mode="reflect")
        rows = self.kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        columns = self.kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        # bfloat16 has no quick grouped convolution on a CPU, and the kernel would be rounded
        with torch.autocast(x.device.type, enabled=False):
            once = functional.conv2d(padded.float(), rows, groups=channels)
            return functional.conv2d(once, columns, groups=channels)


def normalised(network: nn.Module, mean: Value, std: Value, channels: int, name: str) -> nn.Module:
    """Return the network behind a layer (x - mean) / std; itself where neither is given."""
    if mean is None and std is None:
        return network
    means = _per_channel(0.0 if mean is None else mean, channels, f"network {name}: mean")
    stds = _per_channel(1.0 if std is None else std, channels, f"network {name}: std")
    number(f"network {name}: std", min(stds), 0, ends="(]")
    return nn.Sequential(Normalise(means, stds), network)


def behind_low_pass(network: nn.Module, sigma: Value, shape: tuple[int, int, int]) -> nn.Module:
    """Return the network behind a low-pass filter; itself for a width of 0."""
    width = number("low_pass", sigma, 0)
    if width == 0:
        return network
    radius = math.ceil(REACH * width)
    # before the filter is made: a wide one fills the memory
    if radius >= min(shape[1:]):
        raise InputError(
            f"low_pass: {sigma} pixels reach {radius} pixels far, the images have"
            f" {shape[1]}x{shape[2]}; take a smaller one"
        )
    return nn.Sequential(LowPass(width), network)


def _per_channel(value: Value, channels: int, what: str) -> list[float]:
    values = value if isinstance(value, tuple) else (value,)
    if len(values) not in (1, channels):
        raise InputError(
            f"{what} must be a number, or one for each of {channels} channels, got {value!r}"
        )
    numbers = [number(what, v, -math.inf) for v in values]
    return numbers * (channels if len(numbers) == 1 else 1)
