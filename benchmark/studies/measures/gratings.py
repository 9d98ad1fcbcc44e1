"""Sinusoidal gratings, and the response of a convolution to them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from estimators.errors import InputError, unknown
from estimators.jpeg_codec.codec import round_trip
from estimators.networks.copies.copying import copied

# cycles along rows and columns per cycle of the wave; a wave that changes from top to bottom is
# "vertical", as in the paper
DIRECTIONS = {"vertical": (1, 0), "horizontal": (0, 1), "diagonal": (1, 1)}
PIXELS = 1 << 15  # per call of a layer: the output of 64 maps stays in the allocator's pool
GREY = 0.5


def gratings(
    size: int, cycles: int, direction: str, phases: int, contrast: float = 1.0
) -> torch.Tensor:
    """Return gratings 1/2 + contrast/2 sin(2 pi cycles t / size + phase).

    Returns float32 [phases, 1, size, size].

    t is the row, the column, or for `diagonal` their sum. The phases divide the circle evenly and
    start half a step from zero, so that the mean square over three or more phases is
    contrast^2 / 8 in every pixel at every frequency, also at 0 and at Nyquist, where a single
    grating may vanish.

    Raises InputError for an unknown direction, fewer than three phases, or cycles beyond Nyquist.
    """
    if direction not in DIRECTIONS:
        raise unknown("direction of a grating", direction, DIRECTIONS)
    if phases < 3:
        raise InputError(
            f"phases: expected at least 3, so that the mean is without a wave, got {phases}"
        )
    if not 0 <= 2 * cycles <= size:
        raise InputError(f"cycles: expected 0 to {size // 2} in an image of {size}, got {cycles}")
    down, across = DIRECTIONS[direction]
    position = np.arange(size)
    turns = cycles * (down * position[:, None] + across * position[None, :]) / size
    return waves(turns, (np.arange(phases) + 0.5) / phases, contrast)


def waves(
    turns: npt.NDArray[np.float64], shifts: npt.NDArray[np.float64], contrast: float = 1.0
) -> torch.Tensor:
    """Return 1/2 + contrast/2 sin(2 pi (turns + shift)), float32 [shifts, 1, H, W].

    turns: [H, W], number of cycles before each pixel. shifts: [shifts], phases in cycles.
    """
    wave = np.sin(2 * np.pi * (turns[None] + shifts[:, None, None]))
    return torch.from_numpy((GREY + contrast / 2 * wave).astype(np.float32))[:, None]


def frequency(size: int, cycles: int, direction: str) -> float:
    """Return the cycles per pixel along the wave: at most 1/2, on the diagonal 1/sqrt(2)."""
    return cycles * math.hypot(*DIRECTIONS[direction]) / size


def cycles_up_to_nyquist(size: int, at_most: int) -> list[int]:
    """Return whole cycles per image from 0 to Nyquist, evenly thinned to `at_most` of them."""
    spread = np.linspace(0, size // 2, min(at_most, size // 2 + 1))
    return [int(c) for c in np.unique(np.round(spread))]


def first_layer(network: nn.Module) -> nn.Conv2d:
    """Return the network's first convolution, by order of definition.

    Raises InputError for a network without one.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module
    raise InputError("transfer function: the network has no convolution")


def first_convolution(network: nn.Module, device: str = "cpu") -> nn.Conv2d:
    """Return a copy of the network's first convolution alone."""
    layer = copied(first_layer(network)).to(device).requires_grad_(False)
    assert isinstance(layer, nn.Conv2d)
    return layer


def compressed(images: torch.Tensor, quality: int) -> torch.Tensor:
    """Return images in [0, 1] after rounding to bytes, JPEG compression and decompression."""
    return round_trip((images * 255).round().to(torch.uint8), quality).to(torch.float32) / 255


def response_norms(
    layer: nn.Conv2d, images: torch.Tensor, grey: torch.Tensor
) -> npt.NDArray[np.float64]:
    """Return L2 norms [2, N] of the layer's output before the activation.

    The first is that of the whole output, the second that of the output minus the output for
    uniform grey. Both are over all maps and places, borders included. Zero padding makes an edge
    around grey; the second norm is free of it, since the layer is linear.

    images: [N, 1, S, S], given to every input channel. grey: [1, 1, S, S], the uniform image.
    """
    channels = layer.in_channels
    device = layer.weight.device
    step = max(1, PIXELS // images[0].numel())
    norms = []
    with torch.inference_mode():
        to_grey = layer(grey.expand(-1, channels, -1, -1).to(device))
        for part in torch.split(images, step):
            out = layer(part.expand(-1, channels, -1, -1).to(device)).flatten(1)
            whole = torch.linalg.vector_norm(out, dim=1)
            around = torch.linalg.vector_norm(out.sub_(to_grey.flatten(1)), dim=1)
            norms.append(torch.stack([whole, around]).cpu().numpy())
    return np.concatenate(norms, axis=1).astype(np.float64)


def energy(images: torch.Tensor) -> npt.NDArray[np.float64]:
    """Return the energy [N] of each image around its own mean."""
    energies = []
    for part in torch.split(images, max(1, PIXELS // images[0].numel())):
        flat = part.flatten(1).to(torch.float64)
        energies.append((flat - flat.mean(dim=1, keepdim=True)).square().sum(dim=1))
    return np.asarray(torch.cat(energies).cpu().numpy())
