"""Blocks of 8 by 8 samples through both transforms and the quantisation, compiled for the CPU.

Written so that every inner loop becomes vector code: `LANES` blocks lie side by side, and one
instruction does the same step of several. numba computes in 64 bits; _int32(...) around a sum makes
that 32, twice as many in a vector. No result overflows them: coefficients are at most 1153 after
quantisation, which bounds the sums of the last pass by 2.11e9 < 2**31. All working memory belongs
to one call, so threads do not meet.
"""

from __future__ import annotations

import numpy as np

from estimators.compiling import Numba, compiled, inlined
from estimators.jpeg_codec.tables import NUDGE, SHIFTS

LANES = 64  # blocks coded side by side
_ROW = 8 * LANES
_int32, _uint32, _uint64, _float32 = np.int32, np.uint32, np.uint64, np.float32
# unsigned: numba takes others for places that may count from the end
_ONE, _TWO, _THREE, _FOUR = _uint64(1), _uint64(2), _uint64(3), _uint64(4)


@inlined
def _rotated(a: Numba, b: Numba, c: Numba, d: Numba) -> Numba:
    """Return the four odd sums of libjpeg's butterflies: eleven products in place of sixteen."""
    z1, z2, z3, z4 = _int32(a + d), _int32(b + c), _int32(a + c), _int32(b + d)
    z5 = _int32(9633 * _int32(z3 + z4))
    z1, z2 = _int32(-7373 * z1), _int32(-20995 * z2)
    z3, z4 = _int32(_int32(-16069 * z3) + z5), _int32(_int32(-3196 * z4) + z5)
    return (
        _int32(_int32(_int32(2446 * a) + z1) + z3),
        _int32(_int32(_int32(16819 * b) + z2) + z4),
        _int32(_int32(_int32(25172 * c) + z2) + z3),
        _int32(_int32(_int32(12299 * d) + z1) + z4),
    )


@inlined
def _forward(x: Numba) -> Numba:
    """Transform eight samples to eight frequencies, not yet shifted: `tables.MATRIX` times x."""
    p0, p1, p2, p3 = (
        _int32(x[0] + x[7]),
        _int32(x[1] + x[6]),
        _int32(x[2] + x[5]),
        _int32(x[3] + x[4]),
    )
    m0, m1, m2, m3 = (
        _int32(x[0] - x[7]),
        _int32(x[1] - x[6]),
        _int32(x[2] - x[5]),
        _int32(x[3] - x[4]),
    )
    a, b, c, d = _int32(p0 + p3), _int32(p1 + p2), _int32(p1 - p2), _int32(p0 - p3)
    z = _int32(4433 * _int32(c + d))
    f7, f5, f3, f1 = _rotated(m3, m2, m1, m0)
    f0, f4 = _int32(_int32(a + b) << 13), _int32(_int32(a - b) << 13)
    return f0, f1, _int32(z + _int32(6270 * d)), f3, f4, f5, _int32(z - _int32(15137 * c)), f7


@inlined
def _inverse(c: Numba) -> Numba:
    """Transform eight frequencies to eight samples, not yet shifted: c times `tables.MATRIX`."""
    z = _int32(4433 * _int32(c[2] + c[6]))
    low, high = _int32(z - _int32(15137 * c[6])), _int32(z + _int32(6270 * c[2]))
    s, t = _int32(_int32(c[0] + c[4]) << 13), _int32(_int32(c[0] - c[4]) << 13)
    e0, e3, e1, e2 = _int32(s + high), _int32(s - high), _int32(t + low), _int32(t - low)
    o3, o2, o1, o0 = _rotated(c[7], c[5], c[3], c[1])
    return e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0


@inlined
def _shifted(v: Numba, shift: Numba) -> Numba:
    return _int32(_int32(v + (1 << (shift - 1))) >> shift)


@inlined
def _pixel(v: Numba) -> Numba:
    """Return a sum as a sample, 0 to 255."""
    return min(max(_int32(v), _int32(0)), _int32(255))


@inlined
def _get(a: Numba, at: Numba, step: Numba) -> Numba:
    v0, v1, v2, v3 = a[at], a[at + step], a[at + 2 * step], a[at + 3 * step]
    v4, v5, v6, v7 = a[at + 4 * step], a[at + 5 * step], a[at + 6 * step], a[at + 7 * step]
    return v0, v1, v2, v3, v4, v5, v6, v7


@inlined
def _put(a: Numba, at: Numba, step: Numba, v: Numba, shift: Numba) -> None:
    a[at], a[at + step] = _shifted(v[0], shift), _shifted(v[1], shift)
    a[at + 2 * step], a[at + 3 * step] = _shifted(v[2], shift), _shifted(v[3], shift)
    a[at + 4 * step], a[at + 5 * step] = _shifted(v[4], shift), _shifted(v[5], shift)
    a[at + 6 * step], a[at + 7 * step] = _shifted(v[6], shift), _shifted(v[7], shift)


@inlined
def _joined(a: Numba, b: Numba, c: Numba, d: Numba) -> Numba:
    """Return four samples as one number, the first one lowest."""
    low = _uint32(a) | _uint32(_uint32(b) << _uint32(8))
    return _uint32(low | _uint32(_uint32(c) << _uint32(16)) | _uint32(_uint32(d) << _uint32(24)))


@inlined
def _word(flat: Numba, first: Numba) -> Numba:
    """Return four neighbours as one number."""
    return _joined(flat[first], flat[first + _ONE], flat[first + _TWO], flat[first + _THREE])


@inlined
def _spill(flat: Numba, first: Numba, word: Numba) -> None:
    """Copy four samples back."""
    flat[first] = word
    flat[first + _ONE] = word >> _uint32(8)
    flat[first + _TWO] = word >> _uint32(16)
    flat[first + _THREE] = word >> _uint32(24)


@compiled
def code(planes: Numba, table: Numba) -> None:
    """Code each plane, uint8 [P, H, W] without gaps, by itself and in place."""
    count, height, width = planes.shape
    flat = planes.reshape(-1)
    inverse = ((1 + NUDGE) / (8 * table)).astype(np.float32)
    words = np.zeros(2 * _ROW, np.uint32)  # [y, half, lane]: four samples of a block's row
    work = np.zeros(8 * _ROW, np.int32)  # [y, x, lane]
    places = np.zeros((LANES, 3), np.int64)  # of each block: first sample, rows, columns
    edge = np.zeros(8, np.uint8)
    left_over = count * ((height + 7) // 8) * ((width + 7) // 8)
    plane, top, left = 0, 0, 0
    while left_over > 0:
        lanes = min(LANES, left_over)
        left_over -= lanes
        for lane in range(lanes):
            first = (plane * height + top) * width + left
            rows, columns = min(8, height - top), min(8, width - left)
            places[lane, 0], places[lane, 1], places[lane, 2] = first, rows, columns
            if columns == 8:
                for y in range(8):
                    start = first + min(y, rows - 1) * width
                    words[2 * y * LANES + lane] = _word(flat, _uint64(start))
                    words[(2 * y + 1) * LANES + lane] = _word(flat, _uint64(start + 4))
            elif columns == 4:  # the last column of 28
                for y in range(8):
                    start = _uint64(first + min(y, rows - 1) * width)
                    words[2 * y * LANES + lane] = _word(flat, start)
                    last = _uint32(flat[start + _THREE])
                    words[(2 * y + 1) * LANES + lane] = _uint32(last * _uint32(0x01010101))
            else:
                for y in range(8):
                    start = first + min(y, rows - 1) * width
                    for x in range(8):
                        edge[x] = flat[start + min(x, columns - 1)]
                    words[2 * y * LANES + lane] = _word(edge, _uint64(0))
                    words[(2 * y + 1) * LANES + lane] = _word(edge, _FOUR)
            left += 8
            if left >= width:
                left = 0
                top += 8
                if top >= height:
                    top = 0
                    plane += 1
        for k in range(64):
            for i in range(LANES):
                sample = words[k // 4 * LANES + i] >> _uint32(k % 4 * 8) & _uint32(255)
                work[k * LANES + i] = _int32(_int32(sample) - 128)
        for y in range(8):
            for i in range(y * _ROW, y * _ROW + LANES):
                _put(work, i, LANES, _forward(_get(work, i, LANES)), SHIFTS[0])
        for i in range(_ROW):
            _put(work, i, _ROW, _forward(_get(work, i, _ROW)), SHIFTS[1])
        for k in range(64):
            for i in range(k * LANES, (k + 1) * LANES):
                work[i] = _int32(np.rint(_float32(work[i]) * inverse[k])) * table[k]
        for i in range(_ROW):
            _put(work, i, _ROW, _inverse(_get(work, i, _ROW)), SHIFTS[2])
        for y in range(8):
            for i in range(y * _ROW, y * _ROW + LANES):
                _put(work, i, LANES, _inverse(_get(work, i, LANES)), SHIFTS[3])
        for k in range(16):
            for i in range(LANES):
                at = 4 * k * LANES + i
                words[k * LANES + i] = _joined(
                    _pixel(work[at] + 128),
                    _pixel(work[at + LANES] + 128),
                    _pixel(work[at + 2 * LANES] + 128),
                    _pixel(work[at + 3 * LANES] + 128),
                )
        for lane in range(lanes):
            first, rows, columns = places[lane, 0], places[lane, 1], places[lane, 2]
            if columns == 8:
                for y in range(rows):
                    at, start = 2 * y * LANES + lane, _uint64(first + y * width)
                    _spill(flat, start, words[at])
                    _spill(flat, start + _FOUR, words[at + LANES])
            elif columns == 4:
                for y in range(rows):
                    _spill(flat, _uint64(first + y * width), words[2 * y * LANES + lane])
            else:
                for y in range(rows):
                    at, start = 2 * y * LANES + lane, first + y * width
                    _spill(edge, _uint64(0), words[at])
                    _spill(edge, _FOUR, words[at + LANES])
                    for x in range(columns):
                        flat[start + x] = edge[x]
