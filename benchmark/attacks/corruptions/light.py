"""Light and colour: brightness, contrast, saturation."""

from __future__ import annotations

import numpy as np

from benchmark.attacks.corruptions.images import Bytes, Floats, Levels, Streams, levels, unit
from benchmark.attacks.corruptions.strengths import Strength


def contrast(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Move each channel towards its mean. strength: the share of the distance that is left."""
    (left,) = strength
    clean = unit(x)
    means = clean.mean(axis=(1, 2), keepdims=True)
    return levels((clean - means) * left + means)


def brightness(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Raise the value of HSV. strength: by how much."""
    (more,) = strength
    clean = unit(x)
    if x.shape[3] == 1:
        return levels(clean + more)
    hue, saturation, value = hsv(clean)
    return rgb(hue, saturation, np.clip(value + more, 0, 1)) * 255


def saturate(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Change the saturation of HSV; grey images, which have none, stay as they are.

    strength: a factor and a summand. The summand turns grey pixels of colour images red.
    """
    if x.shape[3] == 1:
        return x.astype(np.float64)
    factor, summand = strength
    hue, saturation, value = hsv(unit(x))
    return rgb(hue, np.clip(saturation * factor + summand, 0, 1), value) * 255


def hsv(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Return hue, saturation and value in [0, 1] of colours [..., 3] in [0, 1]; grey is hue 0."""
    red, green, blue = (x[..., i] for i in range(3))
    value = x.max(axis=-1)
    spread = value - x.min(axis=-1)
    coloured = spread > 0
    safe = np.where(coloured, spread, 1)
    # where two channels are largest, the later one decides, as in scikit-image
    sixths = np.where(red == value, (green - blue) / safe, 0)
    sixths = np.where(green == value, 2 + (blue - red) / safe, sixths)
    sixths = np.where(blue == value, 4 + (red - green) / safe, sixths)
    hue = np.where(coloured, (sixths / 6) % 1, 0)
    saturation = np.where(coloured, spread / np.where(value > 0, value, 1), 0)
    return hue, saturation, value


def rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """Return colours [..., 3] of hue, saturation and value."""
    whole = np.floor(hue * 6)
    share = hue * 6 - whole
    low = value * (1 - saturation)
    falling = value * (1 - share * saturation)
    rising = value * (1 - (1 - share) * saturation)
    sector = whole.astype(np.int64) % 6
    red = np.choose(sector, [value, falling, low, low, rising, value])
    green = np.choose(sector, [rising, value, value, falling, low, low])
    blue = np.choose(sector, [low, low, rising, value, value, falling])
    return np.stack([red, green, blue], axis=-1)
