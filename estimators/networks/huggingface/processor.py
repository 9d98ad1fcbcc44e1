"""What a processor of transformers does to images, as layers: measured on images, not believed.

A processor resizes, crops and computes an affine function of the pixels. The affine function is
read from what it makes of plain images. How it resizes is guessed from its attributes; each guess
is compared with what the processor makes of an image of noise, and the first that agrees is taken.
A processor that agrees with none is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from estimators.data.geometry import Geometry, Interpolation
from estimators.errors import InputError
from estimators.networks.input_layers import Normalise, Resized, Side

# Pillow's numbers of its filters
FILTERS: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
# levels of 255 by which one pixel may differ, and all on average: a processor rounds to levels
# after the resize, and its weights have 8 to 16 bits
ONE, MEAN = 3.0, 0.75
# numbers of plain images are rounded in the seventh digit
DIGITS = 6
NOISE = 97, 131


@dataclass(frozen=True)
class Processing:
    """What a processor does, for a network of images in [0, 1].

    mean, std: of the normalisation, per channel, of pixels in [0, 1].
    order: the channel of the image that each channel of the network is.
    sizing: the layer that brings images of any size to the network's.
    size: height and width after that; None where they follow the image's.
    geometry: the same for photos, where a `Geometry` can say it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: tuple[int, ...]
    sizing: Resized
    size: tuple[int, int] | None
    geometry: Geometry | None


def processing(
    processor: Any, channels: int, where: str, shape: tuple[int, int] | None = None
) -> Processing:
    """Return what a processor does to images with so many channels.

    shape: height and width of the images that will be given to the network, if known: the layers
        are compared with the processor at this size too.

    Raises InputError that begins with `where` for a processor that no layers repeat.
    """
    mean, std, order = _affine(processor, channels, where)
    normalise = Normalise([mean[c] for c in order], [std[c] for c in order])
    sizes = dict.fromkeys((_larger(processor), NOISE, *([shape] if shape else [])))
    images = [_noise(size, channels) for size in sizes]
    expected = [_pixel_values(processor, image) for image in images]
    for sizing, geometry in _guesses(processor):
        off = [
            _difference(sizing, normalise, order, std, image, out)
            for image, out in zip(images, expected, strict=True)
        ]
        if max(off) <= 1:
            ends = {(int(out.shape[-2]), int(out.shape[-1])) for out in expected}
            size = ends.pop() if len(ends) == 1 else None
            geometry = geometry if size is not None else None
            return Processing(mean, std, order, sizing, size, geometry)
    raise InputError(
        f"{where}: its processor ({type(processor).__name__}) resizes in a way that no layers here"
        f" repeat; give it a processor"
        " with size, do_center_crop and crop_size, or name a factory: package.module:factory"
    )


def _affine(
    processor: Any, channels: int, where: str
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Return mean and std per channel of the image, and the order of the channels."""
    size = _larger(processor)

    def of(*levels: int) -> np.ndarray[Any, Any]:
        plain = np.empty((*size, channels), np.uint8)
        plain[:] = levels
        out = _pixel_values(processor, Image.fromarray(plain if channels == 3 else plain[..., 0]))
        means = out.double().mean(dim=(1, 2)).numpy()
        if (
            np.abs(out.double().numpy() - means[:, None, None]) > 1e-4 * (1 + np.abs(means)).max()
        ).any():
            raise InputError(f"{where}: its processor changes plain images (does it pad them?)")
        return np.asarray(means)

    black = of(*[0] * channels)
    ones = [of(*[255 * (c == at) for c in range(channels)]) - black for at in range(channels)]
    matrix = np.array(ones).T  # [channel of the network, channel of the image]
    tiny = 1e-4 * np.abs(matrix).max()
    if len(black) != channels or ((np.abs(matrix) > tiny).sum(axis=1) != 1).any():
        raise InputError(f"{where}: its processor mixes the channels of an image")
    order = tuple(int(np.abs(row).argmax()) for row in matrix)
    half = of(*[102] * channels)
    slope = matrix[np.arange(channels), order]
    if (np.abs(half - black - slope * 0.4) > 1e-4 * np.abs(slope)).any() or (slope <= 0).any():
        raise InputError(f"{where}: its processor is not linear in the pixels, or inverts them")
    mean, std = [0.0] * channels, [1.0] * channels
    for row, channel in enumerate(order):
        std[channel] = _short(1 / slope[row])
        mean[channel] = _short(-black[row] / slope[row])
    return tuple(mean), tuple(std), order


def _guesses(processor: Any) -> Iterator[tuple[Resized, Geometry | None]]:
    """Yield the ways in which processors resize and crop, with what this one says."""
    config = getattr(processor, "data_config", None)
    if isinstance(config, dict):  # timm's, behind transformers
        side, share = int(config["input_size"][-1]), float(config.get("crop_pct") or 0.875)
        named: Interpolation = (
            "bilinear" if config.get("interpolation") == "bilinear" else "bicubic"
        )
        yield _guess((math.floor(side / share),), (side, side), named, halves_even=True)
        return
    size, crop = _sides(getattr(processor, "size", None)), None
    if getattr(processor, "do_center_crop", False):
        crop = _sides(getattr(processor, "crop_size", None))
    mode = FILTERS.get(int(getattr(processor, "resample", None) or 0), "bilinear")
    resizes = getattr(processor, "do_resize", False)
    both = (crop[0], crop[-1]) if crop else None
    modes: list[Interpolation] = [mode, "bicubic"] if mode == "lanczos" else [mode]
    for how in modes:
        if not resizes:
            yield _guess(None, both, how)
            return
        if size is None:
            return
        yield _guess(size, both, how)
        if len(size) == 1:
            side, part = size[0], getattr(processor, "crop_pct", None)
            # ConvNeXT's and PoolFormer's rule, and LeViT's
            if part:
                yield _guess((int(side / part),), both or (side, side), how)
            yield _guess((side, side), both, how)
            yield _guess((int(side * 256 / 224),), both, how)


def _guess(
    size: tuple[int, ...] | None,
    crop: tuple[int, int] | None,
    mode: Interpolation,
    halves_even: bool = False,
) -> tuple[Resized, Geometry | None]:
    if size is None:
        side: Side = None
    else:
        side = size[0] if len(size) == 1 else (size[0], size[1])
    layer = Resized(side, crop, "bicubic" if mode == "lanczos" else mode, halves_even)
    squash = isinstance(side, tuple)
    if (squash and size is not None and size[0] != size[1]) or (crop and crop[0] != crop[1]):
        return layer, None
    shorter = None if size is None else size[0]
    if crop and shorter is not None and crop[0] > shorter:
        return layer, None  # pads
    side_of_crop = crop[0] if crop else shorter if squash else None
    return layer, Geometry(shorter, side_of_crop, mode, squash, bool(crop) and not halves_even)


def _sides(size: Any) -> tuple[int, ...] | None:
    """Return (shorter,) or (height, width) of a size of transformers; None for none."""
    if size is None:
        return None
    if isinstance(size, int):
        return (size,)
    if isinstance(size, (tuple, list)):
        return tuple(int(v) for v in size)
    values = dict(size)
    if values.get("height") and values.get("width"):
        return int(values["height"]), int(values["width"])
    shorter = values.get("shortest_edge")
    return None if not shorter else (int(shorter),)


def _larger(processor: Any) -> tuple[int, int]:
    """Return height and width of an image that is larger than what the processor makes of it."""
    sides = [*(_sides(getattr(processor, "size", None)) or ()), 32]
    sides += _sides(getattr(processor, "crop_size", None)) or ()
    return max(sides) + 37, max(sides) * 3 // 2 + 20


def _noise(size: tuple[int, int], channels: int) -> Image.Image:
    levels = np.random.RandomState(0).randint(0, 256, (*size, channels), dtype=np.uint8)
    return Image.fromarray(levels if channels == 3 else levels[..., 0])


def _pixel_values(processor: Any, image: Image.Image) -> torch.Tensor:
    """Return what a processor makes of an image [C, H, W]."""
    out: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
    return out.float()


def _difference(
    sizing: nn.Module,
    normalise: nn.Module,
    order: tuple[int, ...],
    std: tuple[float, ...],
    image: Image.Image,
    expected: torch.Tensor,
) -> float:
    """Return how far layers are from what a processor makes; up to 1 is rounding."""
    levels = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
    x = torch.from_numpy(levels.astype(np.float32) / 255)[None]
    with torch.no_grad():
        out = normalise(sizing(x)[:, list(order)])[0]
    if out.shape != expected.shape:
        return math.inf
    scale = torch.tensor([std[c] for c in order])[:, None, None] * 255
    off = (out - expected).abs() * scale
    return max(float(off.max()) / ONE, float(off.mean()) / MEAN)


def _short(value: float) -> float:
    rounded = float(f"{value:.{DIGITS}g}")
    return 0.0 if abs(rounded) < 10**-DIGITS else rounded
