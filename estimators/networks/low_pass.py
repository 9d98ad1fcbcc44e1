"""A fixed Gaussian low-pass filter as the first layer of a network."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from estimators.errors import InputError

# taps beyond this many standard deviations hold less than 1e-4 of a kernel
REACH = 4


class LowPass(nn.Module):
    """Blurs each channel with a Gaussian of `sigma` pixels; images keep their size.

    The kernel is sampled at whole pixels and cut at 4 sigma; it is a buffer and does not train,
    and gradients pass through. Borders are mirrored. A wave of f cycles a pixel along an axis is
    scaled by the sum over k of exp(-2 pi^2 sigma^2 (f - k)^2) over the same at f = 0 (Poisson's
    summation), up to the cut; from sigma = 1 on this is exp(-2 pi^2 sigma^2 f^2) within 0.01.
    """

    kernel: torch.Tensor

    def __init__(self, sigma: float) -> None:
        """sigma: the width in pixels, larger than 0. Raises InputError for any other."""
        super().__init__()
        if isinstance(sigma, bool) or not isinstance(sigma, (int, float)) or not sigma > 0:
            raise InputError(f"low_pass: a width of 0 or more pixels wanted, found {sigma!r}")
        if not math.isfinite(sigma):
            raise InputError(f"low_pass: a finite width wanted, found {sigma!r}")
        self.radius = math.ceil(REACH * sigma)
        at = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weight = torch.exp(-(at**2) / (2 * sigma**2))
        self.register_buffer("kernel", (weight / weight.sum()).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Blurred images [N, C, H, W] of images of the same shape."""
        channels, radius = x.shape[1], self.radius
        padded = functional.pad(x, (radius,) * 4, mode="reflect")
        rows = self.kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        columns = self.kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        # bfloat16 has no quick grouped convolution on a CPU, and the kernel would be rounded
        with torch.autocast(x.device.type, enabled=False):
            once = functional.conv2d(padded.float(), rows, groups=channels)
            return functional.conv2d(once, columns, groups=channels)


def behind_low_pass(network: nn.Module, sigma: float, shape: tuple[int, int, int]) -> nn.Module:
    """The network with a low-pass filter as its first layer; for sigma = 0 the network itself.

    Raises InputError for a bad sigma, or one whose kernel is wider than the images.
    """
    if sigma == 0 and not isinstance(sigma, bool):
        return network
    filter_ = LowPass(sigma)
    if filter_.radius >= min(shape[1:]):
        raise InputError(
            f"low_pass: {sigma} pixels reach {filter_.radius} pixels far, the images have"
            f" {shape[1]}x{shape[2]}; take a smaller one"
        )
    return nn.Sequential(filter_, network)
