"""What the corruptions work on: bytes of images, and the random numbers of each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from benchmark.attacks.corruptions.strengths import Strength

# [N, H, W, C], C is 1 or 3
Bytes = npt.NDArray[np.uint8]
# grey levels [N, H, W, C]; what lies outside 0 to 255 is clipped afterwards
Levels = npt.NDArray[np.floating]
Floats = npt.NDArray[np.floating]
Streams = Sequence[np.random.Generator]
Corruption = Callable[[Bytes, Strength, Streams], Levels]
# luma of ITU-R BT.601, for layers that colour images get and grey ones too
LUMA = (0.299, 0.587, 0.114)


def drawn(streams: Streams, draw: Callable[[np.random.Generator], Floats]) -> Floats:
    """Return what each image draws from its own stream, as one array [N, ...]."""
    return np.stack([draw(stream) for stream in streams])


def unit(x: Bytes) -> npt.NDArray[np.float64]:
    """Return bytes as float64 in [0, 1]."""
    return x / 255.0


def levels(x: Floats) -> Levels:
    """Return grey levels of values that are cut to [0, 1]."""
    return np.asarray(np.clip(x, 0, 1) * 255)


def grey(x: Floats) -> Floats:
    """Return the luma [N, H, W, 1] of images [N, H, W, 3]; grey images as they are."""
    if x.shape[-1] == 1:
        return x
    red, green, blue = (np.asarray(weight, x.dtype) * x[..., i] for i, weight in enumerate(LUMA))
    return np.asarray((red + green + blue)[..., None])


def as_bytes(levels: Levels) -> Bytes:
    """Return grey levels as bytes, truncated as ImageNet-C was written."""
    return np.clip(levels, 0, 255).astype(np.uint8)
