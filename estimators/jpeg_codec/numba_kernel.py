"""The JPEG round trip as a kernel for the CPU, compiled by numba at its first call."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimators.compiling import Numba, compiled, inlined, njit
from estimators.jpeg_codec.blocks import code
from estimators.jpeg_codec.tables import IntArray

__all__ = ["code_images", "njit", "to_floats", "truncate"]

# Written so that every inner loop becomes vector code, in 32 bits, see `blocks`.
_int32, _float32 = np.int32, np.float32
# 1 / 255 in two parts: a product of a byte and the first is exact, and their sum rounds as the
# quotient does. A test compares all 256.
_LARGE = _float32(round(2**23 / 255) / 2**23)
_SMALL = _float32(1 / 255 - float(_LARGE))


def code_images(images: npt.NDArray[np.uint8], luma: IntArray, chroma: IntArray) -> None:
    """Code one chunk as `codec.round_trip` does, in place."""
    count, channels, height, width = images.shape
    if channels == 1:
        code(images.reshape(count, height, width), luma)
        return
    rows, columns = -(-height // 2), -(-width // 2)
    rgb = images.reshape(count, 3, height * width)
    y = np.empty((count, height, width), np.uint8)
    full = np.empty((2 * count, height, width), np.uint8)
    half = np.empty((2 * count, rows, -(-columns // 8) * 8), np.uint8)
    pairs = np.empty((2 * count, height, columns), np.uint16)
    _to_ycc(rgb, y.reshape(count, -1), full.reshape(count, 2, -1))
    _halve(full, half)
    code(y, luma)
    code(half, chroma)
    _double(half, pairs)
    # little-endian, as every processor that numba compiles for
    full = np.ascontiguousarray(pairs.view(np.uint8)[:, :, :width])
    _to_rgb(y.reshape(count, -1), full.reshape(count, 2, -1), rgb)


@compiled
def truncate(x: Numba, levels: Numba) -> Numba:
    """Convert floats [n] in [0, 1] to uint8 [n]; return whether all were in range."""
    inside = _int32(0)
    for i in range(len(x)):
        v = x[i]
        inside = _int32(inside + (_int32(v >= _float32(0)) & _int32(v <= _float32(1))))
        levels[i] = _int32(v * _float32(255))
    return inside == len(x)


@compiled
def to_floats(levels: Numba, x: Numba) -> None:
    """Divide uint8 [n] by 255, into float32 [n]."""
    for i in range(len(levels)):
        level = _float32(levels[i])
        x[i] = level * _LARGE + level * _SMALL


@inlined
def _pixel(v: Numba) -> Numba:
    return min(max(_int32(v), _int32(0)), _int32(255))


@compiled
def _to_ycc(rgb: Numba, y: Numba, chroma: Numba) -> None:
    """Convert [N, 3, pixels] to [N, pixels] and [N, 2, pixels], one loop per plane."""
    for n in range(len(rgb)):
        red, green, blue = rgb[n]
        for i in range(y.shape[1]):
            r, g, b = _int32(red[i]), _int32(green[i]), _int32(blue[i])
            y[n, i] = _int32(19595 * r + 38470 * g + 7471 * b + 32768) >> 16
        for i in range(y.shape[1]):
            r, g, b = _int32(red[i]), _int32(green[i]), _int32(blue[i])
            chroma[n, 0, i] = _int32(-11059 * r - 21709 * g + 32768 * b + 8421375) >> 16
        for i in range(y.shape[1]):
            r, g, b = _int32(red[i]), _int32(green[i]), _int32(blue[i])
            chroma[n, 1, i] = _int32(32768 * r - 27439 * g - 5329 * b + 8421375) >> 16


@compiled
def _to_rgb(y: Numba, chroma: Numba, rgb: Numba) -> None:
    """Convert back."""
    for n in range(len(rgb)):
        cb, cr = chroma[n]
        for i in range(y.shape[1]):
            v = _int32(_int32(cr[i]) - 128)
            rgb[n, 0, i] = _pixel(y[n, i] + (_int32(91881 * v + 32768) >> 16))
        for i in range(y.shape[1]):
            u, v = _int32(_int32(cb[i]) - 128), _int32(_int32(cr[i]) - 128)
            rgb[n, 1, i] = _pixel(y[n, i] + (_int32(-22554 * u - 46802 * v + 32768) >> 16))
        for i in range(y.shape[1]):
            u = _int32(_int32(cb[i]) - 128)
            rgb[n, 2, i] = _pixel(y[n, i] + (_int32(116130 * u + 32768) >> 16))


@compiled
def _halve(full: Numba, half: Numba) -> None:
    """Halve [P, H, W] to [P, rows, columns in whole blocks]; the bias alternates, 1 and 2."""
    _, height, width = full.shape
    for p in range(len(full)):
        for row in range(half.shape[1]):
            out, top, low = half[p, row], full[p, 2 * row], full[p, min(2 * row + 1, height - 1)]
            for x in range(width // 2):
                a, b = _int32(top[2 * x]) + low[2 * x], _int32(top[2 * x + 1]) + low[2 * x + 1]
                out[x] = _int32(_int32(a + b) + 1 + (x & 1)) >> 2
            for x in range(width // 2, len(out)):  # past the right edge
                i, j = min(2 * x, width - 1), width - 1
                out[x] = (_int32(top[i]) + top[j] + low[i] + low[j] + 1 + (x & 1)) >> 2


@compiled
def _double(half: Numba, pairs: Numba) -> None:
    """Double [P, rows, columns] to [P, H, columns]; a uint16 is two samples, the left one low."""
    _, height, columns = pairs.shape
    sums = np.empty((height, columns + 2), np.int32)  # with a margin on the left and the right
    for p in range(len(pairs)):
        for row in range(height):
            near = row // 2
            far = min(max(near - 1 + 2 * (row % 2), 0), half.shape[1] - 1)
            for x in range(columns):
                sums[row, x + 1] = _int32(3 * _int32(half[p, near, x]) + half[p, far, x])
            sums[row, 0], sums[row, columns + 1] = sums[row, 1], sums[row, columns]
        for row in range(height):
            for x in range(columns):
                left = _int32(_int32(3 * sums[row, x + 1] + sums[row, x] + 8) >> 4)
                right = _int32(_int32(3 * sums[row, x + 1] + sums[row, x + 2] + 7) >> 4)
                pairs[p, row, x] = _int32(left | right << 8)
            if columns <= 2:  # libjpeg repeats the samples of very narrow images
                for x in range(columns):
                    pairs[p, row, x] = 257 * _int32(half[p, row // 2, x])
