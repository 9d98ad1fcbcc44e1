"""Blur along a line, as of a moving camera or of falling snow."""

from __future__ import annotations

import math

import numpy as np

from benchmark.attacks.corruptions.images import Floats


def moved(image: Floats, radius: int, sigma: float, degrees: float) -> Floats:
    """Return an image [H, W, ...], float64, blurred along a line in one direction.

    It is the mean of 2 radius + 1 shifted copies, weighted by half a normal curve; the border is
    continued. Shifts are whole pixels. A shift beyond the image ends the line, and its weight is
    lost, as in imagecorruptions.

    sigma: of the curve in pixels. degrees: of the line, against the columns.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    weights /= weights.sum()
    down, right = (f(math.radians(degrees)) for f in (math.sin, math.cos))
    height, width = image.shape[:2]
    reach = 2 * radius + 1
    border = [(reach, reach)] * 2 + [(0, 0)] * (image.ndim - 2)
    wide = np.pad(image, border, mode="edge")
    out = np.zeros(image.shape)
    for step, weight in zip(steps.tolist(), weights, strict=True):
        dy, dx = (-math.ceil(step * along - 0.5) for along in (down, right))
        if abs(dy) >= height or abs(dx) >= width:
            break
        top, left = reach - dy, reach - dx
        out += weight * wide[top : top + height, left : left + width]
    return out
