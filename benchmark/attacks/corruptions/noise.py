"""Noise: Gaussian, shot, impulse and speckle.

Each value of each channel has noise of its own.
"""

from __future__ import annotations

import numpy as np

from benchmark.attacks.corruptions.images import Bytes, Levels, Streams, drawn, levels, unit
from benchmark.attacks.corruptions.strengths import Strength


def gaussian_noise(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Add normal noise, as of a dim scene. strength: its standard deviation."""
    (deviation,) = strength
    noise = drawn(streams, lambda stream: stream.normal(size=x.shape[1:], scale=deviation))
    return levels(unit(x) + noise)


def speckle_noise(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Add normal noise in proportion to the pixel. strength: its standard deviation at white."""
    (deviation,) = strength
    noise = drawn(streams, lambda stream: stream.normal(size=x.shape[1:], scale=deviation))
    clean = unit(x)
    return levels(clean + clean * noise)


def shot_noise(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Count photons, which are Poisson distributed. strength: photons of a white pixel."""
    (photons,) = strength
    expected = unit(x) * photons
    counts = [stream.poisson(own) for stream, own in zip(streams, expected, strict=True)]
    return levels(np.stack(counts) / photons)


def impulse_noise(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Set values to black or white, each with one half. strength: the share of such values."""
    (share,) = strength
    shape = (2, *x.shape[1:])
    hit, side = np.moveaxis(drawn(streams, lambda stream: stream.random(shape)), 1, 0)
    return np.where(hit <= share, np.where(side <= 0.5, 255.0, 0.0), x)
