"""Weather: snow, frost, fog, and spatter of water or mud."""

from __future__ import annotations

import numpy as np

from benchmark.attacks.corruptions.blur import smoothed
from benchmark.attacks.corruptions.frost_photos import FILES, frost_photo
from benchmark.attacks.corruptions.images import (
    LUMA,
    Bytes,
    Floats,
    Levels,
    Streams,
    drawn,
    grey,
    levels,
    unit,
)
from benchmark.attacks.corruptions.liquid import water
from benchmark.attacks.corruptions.motion import moved
from benchmark.attacks.corruptions.plasma import clouds
from benchmark.attacks.corruptions.resample import centre_zoomed
from benchmark.attacks.corruptions.strengths import Strength

# pale turquoise and brown, as bytes
WATER, MUD = (175, 238, 238), (63, 42, 20)
# below this the mask of mud is nothing
MUD_EDGE = 0.8


def snow(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Let bright flakes fall along a random direction, and whiten the image.

    strength: mean and deviation of the noise that makes flakes, their zoom, the threshold, radius
    and sigma of their motion in pixels, weight of the image as it was.
    """
    mean, deviation, zoom, threshold, radius, sigma, weight = strength
    shape = x.shape[1:3]
    flakes = drawn(streams, lambda stream: stream.normal(mean, deviation, shape))
    flakes = centre_zoomed(flakes, zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    angles = [stream.uniform(-135, -45) for stream in streams]
    fallen = [
        moved(own, int(radius), sigma, angle) for own, angle in zip(flakes, angles, strict=True)
    ]
    layer = np.stack(fallen)[:, : shape[0], : shape[1], None]
    layer = np.round(layer * 255).astype(np.uint8) / 255.0
    clean = unit(x).astype(np.float32)
    pale = np.maximum(clean, grey(clean) * np.float32(1.5) + np.float32(0.5))
    white = np.float32(weight) * clean + np.float32(1 - weight) * pale
    return levels(white + layer + np.rot90(layer, 2, (1, 2)))


def frost(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Lay a random part of a photograph of frost over the image.

    strength: weights of image and frost, scale of the photograph.
    """
    weight, share, scale = strength
    height, width = x.shape[1:3]
    layers = []
    for stream in streams:
        photo = frost_photo(int(stream.integers(len(FILES))), scale, height, width)
        top = int(stream.integers(photo.shape[0] - height))
        left = int(stream.integers(photo.shape[1] - width))
        layers.append(photo[top : top + height, left : left + width])
    layer: Floats = np.stack(layers).astype(np.float64)
    return weight * x + share * (layer if x.shape[3] == 3 else grey(layer))


def fog(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Add clouds. strength: their amount, and the decay of the fractal."""
    amount, decay = strength
    clean = unit(x)
    brightest = clean.max(axis=(1, 2, 3), keepdims=True)
    side = 1 << (max(x.shape[1:3]) - 1).bit_length()
    layer = clouds(max(side, 2), decay, streams)[:, : x.shape[1], : x.shape[2], None]
    return levels((clean + amount * layer) * brightest / (brightest + amount))


def spatter(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Cover spots with water or mud.

    strength: mean and deviation of the noise that makes spots, sigma that smooths it, the
    threshold, strength of the water or sigma of the mud's mask, 0 for water and 1 for mud.
    """
    mean, deviation, sigma, threshold, amount, is_mud = strength
    noise = drawn(streams, lambda stream: stream.normal(mean, deviation, x.shape[1:3]))
    spots = smoothed(noise, sigma)
    spots = np.where(spots < threshold, 0, spots)
    clean = unit(x).astype(np.float32)
    if is_mud:
        mask = smoothed((spots > threshold).astype(np.float32), amount)[..., None]
        mask = np.where(mask < MUD_EDGE, 0, mask)
        return levels(clean * (1 - mask) + mask * _colour(MUD, x.shape[3]))
    # beyond 255 the authors' bytes begin again at 0
    light = np.stack([water(own) for own in (spots * 255).astype(np.int64).astype(np.uint8)])
    layer = np.float32(amount) * light[..., None] * _colour(WATER, x.shape[3])
    return levels(clean + layer)


def _colour(colour: tuple[int, int, int], channels: int) -> Floats:
    """Return a colour in [0, 1], as one value per channel of the image."""
    values = np.array(colour, dtype=np.float32) / np.float32(255)
    return values if channels == 3 else np.array([values @ np.array(LUMA, dtype=np.float32)])
