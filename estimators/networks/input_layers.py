"""Normalisation as a network's first layer, so that eps is always a distance in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from estimators.errors import InputError
from estimators.spec import Value


class Normalise(nn.Module):
    """(x - mean) / std by channel."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [N, C, H, W] of images of the same shape in [0, 1]."""
        return (x - self.mean) / self.std


class GreyToColour(nn.Module):
    """A grey image as three equal channels, for networks that take colour alone.

    The gradient at a grey pixel is the sum over its three copies, so eps stays in pixels.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [N, 3, H, W] of images [N, 1, H, W]."""
        return x.expand(-1, 3, -1, -1)


def normalised(network: nn.Module, mean: Value, std: Value, channels: int, name: str) -> nn.Module:
    """The network behind a first layer (x - mean) / std; itself where neither is given.

    mean, std: a number for all channels or one a channel; by default 0 and 1.
    """
    if mean is None and std is None:
        return network
    means = _per_channel(0.0 if mean is None else mean, channels, f"network {name}: mean")
    stds = _per_channel(1.0 if std is None else std, channels, f"network {name}: std")
    if min(stds) <= 0:
        raise InputError(f"network {name}: std must be above 0, found {min(stds):g}")
    return nn.Sequential(Normalise(means, stds), network)


def _per_channel(value: Value, channels: int, what: str) -> list[float]:
    values = list(value) if isinstance(value, tuple) else [value]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < len(values) or len(numbers) not in (1, channels):
        raise InputError(
            f"{what} must be a number, or one for each of {channels} channels, found {value!r}"
        )
    return [float(n) for n in numbers] * (channels if len(numbers) == 1 else 1)
