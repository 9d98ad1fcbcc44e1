"""Chroma planes at half their size and back, compiled for the CPU."""

from __future__ import annotations

import numpy as np

from estimators.compiling import Numba, compiled
from estimators.jpeg_codec.vectors import SAMPLES, doubled, halved

# the beginning of the digest of vectors.py: numba compiles this file again only when it changes
VECTORS = "a06e0ccd"
MARGIN = 64  # bytes before and behind planes: vectors reach beyond the rows
_int32 = np.int32
_halved, _doubled = halved(), doubled()


@compiled
def halve(full: Numba, height: Numba, width: Numba, half: Numba, shape: Numba) -> None:
    """Halve planes [P, H, W] to [P, rows, columns in whole blocks]; the bias alternates, 1 and 2.

    Both are uint8 in one dimension. `full` has a margin behind it, `half` one at either end. What
    a vector writes beyond its row is written again with the next row.
    """
    count, rows, columns = shape
    for p in range(count):
        for row in range(rows):
            top = (p * height + 2 * row) * width
            low = (p * height + min(2 * row + 1, height - 1)) * width
            out = MARGIN + (p * rows + row) * columns
            for x in range(0, width // 2, SAMPLES):
                _halved(full, top + 2 * x, low + 2 * x, half, out + x)
            for x in range(width // 2, columns):  # past the right edge
                i, j = min(2 * x, width - 1), width - 1
                total = _int32(full[top + i]) + full[top + j] + full[low + i] + full[low + j]
                half[out + x] = (total + 1 + (x & 1)) >> 2


@compiled
def double(half: Numba, shape: Numba, full: Numba, height: Numba, width: Numba) -> None:
    """Double planes [P, rows, columns in whole blocks] to [P, H, W]; arrays as in `halve`.

    Vectors are written from right to left, the lower row after the upper one: so what reaches
    beyond a row is written again.
    """
    count, rows, stride = shape
    columns = (width + 1) // 2
    for p in range(count):
        for row in range(rows):
            near = MARGIN + (p * rows + row) * stride
            above, below = near - stride * (row > 0), near + stride * (row < rows - 1)
            out = (p * height + 2 * row) * width
            if columns <= 2:  # libjpeg repeats the samples of very narrow images
                for y in range(2 * row, min(2 * row + 2, height)):
                    for x in range(width):
                        full[(p * height + y) * width + x] = half[near + x // 2]
                continue
            for x in range((columns - 1) // SAMPLES * SAMPLES, -1, -SAMPLES):
                _doubled(
                    half, near + x, above + x, below + x, x, columns - 1 - x,
                    full, out + 2 * x, out + width + 2 * x,
                )  # fmt: skip
