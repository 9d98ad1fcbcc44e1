"""The JPEG round trip as a kernel for the CPU, compiled by numba at its first call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from estimators.jpeg_codec.tables import EVEN, EVEN_TRANSPOSED, NUDGE, ODD, SHIFTS, IntArray
from estimators.user_cache import user_cache

# Written so that every inner loop becomes vector code. numba computes in 64 bits; _int32(...)
# around a sum makes that 32, twice as many in a vector. No sum overflows them: coefficients are at
# most 1153 after quantisation, which bounds the sums of the last pass by 2.11e9 < 2**31. All
# working memory belongs to one call, so threads do not meet.

_LANES = 64  # blocks coded side by side
_ROW = 8 * _LANES
_F = TypeVar("_F", bound=Callable[..., Any])
Numba = Any  # arrays, numbers and tuples whose types numba infers
_int32, _uint64, _float32 = np.int32, np.uint64, np.float32


def load_njit() -> Numba:
    """Return numba's compiler; None where numba is missing or does not suit the NumPy beside it."""
    try:
        return importlib.import_module("numba").njit
    except ImportError:
        return None


njit = load_njit()


def cache_folder() -> Path:
    """Return the folder of this user in which numba keeps what it has compiled.

    By default numba keeps it beside the module. There it outlives the package: the folder that pip
    leaves behind then hides `estimators.jpeg_codec` of an editable install.
    """
    return user_cache() / "numba"


def _compiled(function: _F) -> _F:
    if njit is None:
        return function
    config = importlib.import_module("numba").config
    named = config.CACHE_DIR  # NUMBA_CACHE_DIR
    config.CACHE_DIR = named or str(cache_folder())
    try:
        # the folder is read here, at the decoration
        return cast(_F, njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no writable place for the cache: every process compiles for itself
        return cast(_F, njit(nogil=True)(function))
    finally:
        config.CACHE_DIR = named


def _inlined(function: _F) -> _F:
    return function if njit is None else cast(_F, njit(inline="always")(function))


def code_images(images: npt.NDArray[np.uint8], luma: IntArray, chroma: IntArray) -> None:
    """Code one chunk as `codec.round_trip` does, in place."""
    count, channels, height, width = images.shape
    if channels == 1:
        _code(images[:, 0], luma)
        return
    rows, columns = -(-height // 2), -(-width // 2)
    rgb = images.reshape(count, 3, height * width)
    y = np.empty((count, height, width), np.uint8)
    full = np.empty((2 * count, height, width), np.uint8)
    half = np.empty((2 * count, rows, -(-columns // 8) * 8), np.uint8)
    pairs = np.empty((2 * count, height, columns), np.uint16)
    _to_ycc(rgb, y.reshape(count, -1), full.reshape(count, 2, -1))
    _halve(full, half)
    _code(y, luma)
    _code(half, chroma)
    _double(half, pairs)
    # little-endian, as every processor that numba compiles for
    full = np.ascontiguousarray(pairs.view(np.uint8)[:, :, :width])
    _to_rgb(y.reshape(count, -1), full.reshape(count, 2, -1), rgb)


@_compiled
def truncate(x: Numba, levels: Numba) -> Numba:
    """Convert floats [n] in [0, 1] to uint8 [n]; return whether all were in range."""
    inside = _int32(0)
    for i in range(len(x)):
        v = x[i]
        inside = _int32(inside + (_int32(v >= _float32(0)) & _int32(v <= _float32(1))))
        levels[i] = _int32(v * _float32(255))
    return inside == len(x)


@_inlined
def _pixel(v: Numba) -> Numba:
    return min(max(_int32(v), _int32(0)), _int32(255))


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_inlined
def _dot(w: Numba, x: Numba) -> Numba:
    return _int32(w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3])


@_inlined
def _forward(x: Numba) -> Numba:
    """Transform eight samples to eight frequencies, not yet shifted."""
    p = _int32(x[0] + x[7]), _int32(x[1] + x[6]), _int32(x[2] + x[5]), _int32(x[3] + x[4])
    m = _int32(x[0] - x[7]), _int32(x[1] - x[6]), _int32(x[2] - x[5]), _int32(x[3] - x[4])
    even = _dot(EVEN[0], p), _dot(EVEN[1], p), _dot(EVEN[2], p), _dot(EVEN[3], p)
    odd = _dot(ODD[0], m), _dot(ODD[1], m), _dot(ODD[2], m), _dot(ODD[3], m)
    return even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]


@_inlined
def _inverse(c: Numba) -> Numba:
    """Transform eight frequencies to eight samples, not yet shifted."""
    even, odd = (c[0], c[2], c[4], c[6]), (c[1], c[3], c[5], c[7])
    p0, m0 = _dot(EVEN_TRANSPOSED[0], even), _dot(ODD[0], odd)
    p1, m1 = _dot(EVEN_TRANSPOSED[1], even), _dot(ODD[1], odd)
    p2, m2 = _dot(EVEN_TRANSPOSED[2], even), _dot(ODD[2], odd)
    p3, m3 = _dot(EVEN_TRANSPOSED[3], even), _dot(ODD[3], odd)
    return p0 + m0, p1 + m1, p2 + m2, p3 + m3, p3 - m3, p2 - m2, p1 - m1, p0 - m0


@_inlined
def _shifted(v: Numba, shift: Numba) -> Numba:
    return _int32(_int32(v + (1 << (shift - 1))) >> shift)


@_inlined
def _get(a: Numba, at: Numba, step: Numba) -> Numba:
    v0, v1, v2, v3 = a[at], a[at + step], a[at + 2 * step], a[at + 3 * step]
    v4, v5, v6, v7 = a[at + 4 * step], a[at + 5 * step], a[at + 6 * step], a[at + 7 * step]
    return v0, v1, v2, v3, v4, v5, v6, v7


@_inlined
def _put(a: Numba, at: Numba, step: Numba, v: Numba, shift: Numba) -> None:
    a[at], a[at + step] = _shifted(v[0], shift), _shifted(v[1], shift)
    a[at + 2 * step], a[at + 3 * step] = _shifted(v[2], shift), _shifted(v[3], shift)
    a[at + 4 * step], a[at + 5 * step] = _shifted(v[4], shift), _shifted(v[5], shift)
    a[at + 6 * step], a[at + 7 * step] = _shifted(v[6], shift), _shifted(v[7], shift)


@_inlined
def _word(b: Numba) -> Numba:
    low = _uint64(b[0]) | _uint64(b[1]) << _uint64(8) | _uint64(b[2]) << _uint64(16)
    middle = _uint64(b[3]) << _uint64(24) | _uint64(b[4]) << _uint64(32)
    high = _uint64(b[5]) << _uint64(40) | _uint64(b[6]) << _uint64(48)
    return low | middle | high | _uint64(b[7]) << _uint64(56)


@_compiled
def _code(planes: Numba, table: Numba) -> None:
    """Code each plane, uint8 [P, H, W], by itself and in place, `_LANES` blocks at a time."""
    count, height, width = planes.shape
    columns = (width + 7) // 8
    each = (height + 7) // 8 * columns
    inverse = ((1 + NUDGE) / (8 * table)).astype(np.float32)
    words = np.zeros(_ROW, np.uint64)  # [y, lane]: the eight samples of a block's row
    work = np.zeros(8 * _ROW, np.int32)  # [y, x, lane]
    for first in range(0, count * each, _LANES):
        lanes = min(_LANES, count * each - first)
        for lane in range(lanes):
            plane, block = divmod(first + lane, each)
            top, left = block // columns * 8, block % columns * 8
            for y in range(8):
                row = planes[plane, min(top + y, height - 1)]
                if left + 8 <= width:
                    word = _word(_get(row, left, 1))
                else:
                    word = _uint64(0)
                    for x in range(8):
                        word |= _uint64(row[min(left + x, width - 1)]) << _uint64(8 * x)
                words[y * _LANES + lane] = word
        for k in range(64):
            for i in range(_LANES):
                sample = words[k // 8 * _LANES + i] >> _uint64(k % 8 * 8) & _uint64(255)
                work[k * _LANES + i] = _int32(sample) - 128
        for y in range(8):
            for i in range(y * _ROW, y * _ROW + _LANES):
                _put(work, i, _LANES, _forward(_get(work, i, _LANES)), SHIFTS[0])
        for i in range(_ROW):
            _put(work, i, _ROW, _forward(_get(work, i, _ROW)), SHIFTS[1])
        for k in range(64):
            for i in range(k * _LANES, (k + 1) * _LANES):
                work[i] = _int32(np.rint(_float32(work[i]) * inverse[k])) * table[k]
        for i in range(_ROW):
            _put(work, i, _ROW, _inverse(_get(work, i, _ROW)), SHIFTS[2])
        for y in range(8):
            for i in range(y * _ROW, y * _ROW + _LANES):
                _put(work, i, _LANES, _inverse(_get(work, i, _LANES)), SHIFTS[3])
        words[:] = 0
        for k in range(64):
            for i in range(_LANES):
                sample = _uint64(_pixel(work[k * _LANES + i] + 128))
                words[k // 8 * _LANES + i] |= sample << _uint64(k % 8 * 8)
        for lane in range(lanes):
            plane, block = divmod(first + lane, each)
            top, left = block // columns * 8, block % columns * 8
            for y in range(min(8, height - top)):
                row, word = planes[plane, top + y], words[y * _LANES + lane]
                if left + 8 <= width:
                    for x in range(8):
                        row[left + x] = word >> _uint64(8 * x)
                else:
                    for x in range(width - left):
                        row[left + x] = word >> _uint64(8 * x)
