"""Layers before a network, so that eps stays in pixels: size, normalisation, low-pass, colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import fx, nn
from torch.nn import functional

from estimators.data.geometry import Interpolation
from estimators.errors import InputError, number
from estimators.spec import Value

# what images are resized to: the shorter side, or height and width; None leaves them
Side = int | tuple[int, int] | None
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
        return (x - _laid_out(self.mean, x)) / _laid_out(self.std, x)


def _laid_out(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return one value per channel [C, 1, 1] as a whole image where channels are innermost in x.

    The results are the same. One value per channel would be read again for every pixel there, which
    takes several times as long. A trace of `torch.fx` has no memory format.
    """
    last = torch.channels_last
    if isinstance(x, fx.Proxy) or x.is_contiguous() or not x.is_contiguous(memory_format=last):
        return values
    return values.expand(x.shape[1:])[None].contiguous(memory_format=last)


class GreyToColour(nn.Module):
    """Copy a grey image to three equal channels, for networks that take colour images only.

    The gradient at a grey pixel is the sum over its three copies, so eps stays in pixels.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, 3, H, W] of images [N, 1, H, W]."""
        return x.expand(-1, 3, -1, -1)


class Channels(nn.Module):
    """Take the channels of an image in another order, such as BGR."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, C, H, W] with their channels in the order."""
        return x[:, list(self.order)]


class Resized(nn.Module):
    """Bring images to the size of a network, as photos are: resize, then cut the centre.

    The resize is antialiased and a gradient passes through. It equals that of torchvision's
    transforms and Pillow's without their rounding to grey levels.

    side: of the resize. crop: height and width of the centre. mode: of the interpolation.
    halves_even: a centre between two pixels is rounded to the even one, as torchvision does, and
    not down, as transformers does.
    """

    def __init__(
        self,
        side: Side,
        crop: tuple[int, int] | None,
        mode: Interpolation,
        halves_even: bool = False,
    ) -> None:
        super().__init__()
        self.side, self.crop, self.mode = side, crop, mode
        self.halves_even = halves_even

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, C, H', W'] of images [N, C, H, W] in [0, 1]."""
        height, width = x.shape[-2:]
        size = self._size(height, width)
        if size == (height, width):
            pass
        elif self.mode == "nearest":
            x = functional.interpolate(x, size, mode="nearest-exact")
        elif self.mode == "bilinear":
            x = functional.interpolate(x, size, mode="bilinear", antialias=True)
        else:
            # along rows first, then columns, clipped after each
            for step in ((height, size[1]), size):
                x = functional.interpolate(x, step, mode="bicubic", antialias=True).clamp(0, 1)
        return x if self.crop is None else self._centre(x, *self.crop)

    def text(self) -> str:
        """Return in words what it does."""
        parts = []
        if isinstance(self.side, int):
            parts.append(f"resized to {self.side} pixels on the shorter side ({self.mode})")
        elif self.side is not None:
            parts.append(f"resized to {self.side[0]} x {self.side[1]} pixels ({self.mode})")
        if self.crop is not None:
            parts.append(f"cropped to {self.crop[0]} x {self.crop[1]}")
        return " and ".join(parts) or "taken as they are"

    def extra_repr(self) -> str:
        """Return its parameters, which are part of what tells networks apart."""
        return f"{self.side}, crop={self.crop}, mode={self.mode}, halves_even={self.halves_even}"

    def _centre(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return the centre of images."""
        spare = x.shape[-2] - height, x.shape[-1] - width
        top, left = (round(n / 2) if self.halves_even else n // 2 for n in spare)
        return x[..., top : top + height, left : left + width]

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if self.side is None or isinstance(self.side, tuple):
            return self.side or (height, width)
        short, long = sorted((height, width))
        longer = int(self.side * long / short)
        return (self.side, longer) if height <= width else (longer, self.side)


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
