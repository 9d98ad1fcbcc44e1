"""Clouds: a fractal by the diamond-square algorithm."""

from __future__ import annotations

import numpy as np

from benchmark.attacks.corruptions.images import Floats, Streams, drawn

# height of the first step
WIBBLE = 100.0


def clouds(side: int, decay: float, streams: Streams) -> Floats:
    """Return one fractal [N, side, side] in [0, 1] per image; its borders fit together.

    side: a power of two. decay: by which each finer step is lower; larger is smoother.
    """
    # a step has one square and two diamonds for each of its (side / step)^2 corners
    steps = [side >> n for n in range(side.bit_length() - 1)]
    counts = [(side // step) ** 2 for step in steps for _ in range(3)]
    draws = drawn(streams, lambda stream: stream.random(sum(counts)))
    parts = iter(np.split(draws, np.cumsum(counts)[:-1], axis=1))
    field = np.zeros((len(streams), side, side))
    wibble = WIBBLE
    for step in steps:
        half, shape = step // 2, (len(streams), side // step, side // step)

        def near(sums: Floats, wibble: float = wibble, shape: tuple[int, ...] = shape) -> Floats:
            own = -wibble + 2 * wibble * next(parts).reshape(shape)
            return sums / 4 + wibble * own

        corner = field[:, ::step, ::step]
        square = corner + np.roll(corner, -1, axis=1)
        square = square + np.roll(square, -1, axis=2)
        field[:, half::step, half::step] = near(square)
        middle = field[:, half::step, half::step]
        above = middle + np.roll(middle, 1, axis=1) + (corner + np.roll(corner, -1, axis=2))
        field[:, ::step, half::step] = near(above)
        left = middle + np.roll(middle, 1, axis=2) + (corner + np.roll(corner, -1, axis=1))
        field[:, half::step, ::step] = near(left)
        wibble /= decay
    field -= field.min(axis=(1, 2), keepdims=True)
    return np.asarray(field / field.max(axis=(1, 2), keepdims=True))
