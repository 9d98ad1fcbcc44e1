"""Blocks of 8 by 8 samples through both transforms and the quantisation, compiled for the CPU.

Written so that every inner loop becomes vector code: `LANES` blocks lie side by side, and one
instruction does the same step of several. numba computes in 64 bits; _int32(...) around a sum makes
that 32, twice as many in a vector. No result overflows them: coefficients are at most 1153 after
quantisation, which bounds the sums of the last pass, with level and rounding, by 2.144e9 < 2**31.
All working memory belongs to one call, so threads do not meet.
"""

from __future__ import annotations

import numpy as np

from estimators.compiling import Numba, compiled, inlined
from estimators.jpeg_codec.tables import NUDGE, SHIFTS

LANES = 16  # blocks coded side by side
_ROW = 8 * LANES
_int32, _uint32, _uint64, _float32 = np.int32, np.uint32, np.uint64, np.float32
# unsigned: numba takes others for places that may count from the end
_ONE, _TWO, _THREE, _FOUR = _uint64(1), _uint64(2), _uint64(3), _uint64(4)
_FIVE, _SIX, _SEVEN = _uint64(5), _uint64(6), _uint64(7)


@inlined
def _rotated(a: Numba, b: Numba, c: Numba, d: Numba, half: Numba) -> Numba:
    """Return the four odd sums of libjpeg's butterflies: eleven products in place of sixteen.

    half: what each sum gets besides, to be rounded.
    """
    z1, z2, z3, z4 = _int32(a + d), _int32(b + c), _int32(a + c), _int32(b + d)
    z5 = _int32(_int32(9633 * _int32(z3 + z4)) + half)
    z1, z2 = _int32(-7373 * z1), _int32(-20995 * z2)
    z3, z4 = _int32(_int32(-16069 * z3) + z5), _int32(_int32(-3196 * z4) + z5)
    return (
        _int32(_int32(_int32(2446 * a) + z1) + z3),
        _int32(_int32(_int32(16819 * b) + z2) + z4),
        _int32(_int32(_int32(25172 * c) + z2) + z3),
        _int32(_int32(_int32(12299 * d) + z1) + z4),
    )


@inlined
def _forward(x: Numba, level: Numba, shift: Numba) -> Numba:
    """Transform eight samples less a level to eight frequencies: `tables.MATRIX` times them.

    The sums are rounded and shifted.
    """
    half = _int32(1 << shift >> 1)
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
    z = _int32(_int32(4433 * _int32(c + d)) + half)
    f7, f5, f3, f1 = _rotated(m3, m2, m1, m0, half)
    f0 = _int32(_int32(_int32(a + b) << 13) + _int32(half - (level << 16)))
    f4 = _int32(_int32(_int32(a - b) << 13) + half)
    f2, f6 = _int32(z + _int32(6270 * d)), _int32(z - _int32(15137 * c))
    return _shifted((f0, f1, f2, f3, f4, f5, f6, f7), shift)


@inlined
def _inverse(c: Numba, level: Numba, shift: Numba) -> Numba:
    """Transform eight frequencies to eight samples plus a level: c times `tables.MATRIX`."""
    bias = _int32((1 << shift >> 1) + (level << shift))
    z = _int32(4433 * _int32(c[2] + c[6]))
    low, high = _int32(z - _int32(15137 * c[6])), _int32(z + _int32(6270 * c[2]))
    s = _int32(_int32(_int32(c[0] + c[4]) << 13) + bias)
    t = _int32(_int32(_int32(c[0] - c[4]) << 13) + bias)
    e0, e3, e1, e2 = _int32(s + high), _int32(s - high), _int32(t + low), _int32(t - low)
    o3, o2, o1, o0 = _rotated(c[7], c[5], c[3], c[1], _int32(0))
    return _shifted((e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0), shift)


@inlined
def _shifted(v: Numba, shift: Numba) -> Numba:
    a, b, c, d = _int32(v[0]), _int32(v[1]), _int32(v[2]), _int32(v[3])
    e, f, g, h = _int32(v[4]), _int32(v[5]), _int32(v[6]), _int32(v[7])
    a, b, c, d = a >> shift, b >> shift, c >> shift, d >> shift
    e, f, g, h = e >> shift, f >> shift, g >> shift, h >> shift
    return _int32(a), _int32(b), _int32(c), _int32(d), _int32(e), _int32(f), _int32(g), _int32(h)


@inlined
def _pixel(v: Numba) -> Numba:
    """Return a sum as a sample, 0 to 255."""
    return min(max(v, _int32(0)), _int32(255))


@inlined
def _quantised(v: Numba, inverse: Numba, table: Numba) -> Numba:
    """Return the multiple of a step that is nearest to a coefficient times 8."""
    return _int32(_int32(np.rint(_float32(v) * inverse)) * table)


@inlined
def _bytes(low: Numba, high: Numba) -> Numba:
    """Return the eight samples of two words."""
    m = _uint32(255)
    return (
        _int32(low & m),
        _int32(low >> _uint32(8) & m),
        _int32(low >> _uint32(16) & m),
        _int32(low >> _uint32(24)),
        _int32(high & m),
        _int32(high >> _uint32(8) & m),
        _int32(high >> _uint32(16) & m),
        _int32(high >> _uint32(24)),
    )


@inlined
def _get(a: Numba, at: Numba, step: Numba) -> Numba:
    v0, v1, v2, v3 = a[at], a[at + step], a[at + 2 * step], a[at + 3 * step]
    v4, v5, v6, v7 = a[at + 4 * step], a[at + 5 * step], a[at + 6 * step], a[at + 7 * step]
    return v0, v1, v2, v3, v4, v5, v6, v7


@inlined
def _put(a: Numba, at: Numba, step: Numba, v: Numba) -> None:
    a[at], a[at + step], a[at + 2 * step], a[at + 3 * step] = v[0], v[1], v[2], v[3]
    at += 4 * step
    a[at], a[at + step], a[at + 2 * step], a[at + 3 * step] = v[4], v[5], v[6], v[7]


@inlined
def _joined(a: Numba, b: Numba, c: Numba, d: Numba) -> Numba:
    """Return four samples as one number, the first one lowest."""
    low = _uint32(a) | _uint32(_uint32(b) << _uint32(8))
    return _uint32(low | _uint32(_uint32(c) << _uint32(16)) | _uint32(_uint32(d) << _uint32(24)))


@inlined
def _word(flat: Numba, first: Numba) -> Numba:
    """Return eight neighbours as one number."""
    low = _joined(flat[first], flat[first + _ONE], flat[first + _TWO], flat[first + _THREE])
    first += _FOUR
    high = _joined(flat[first], flat[first + _ONE], flat[first + _TWO], flat[first + _THREE])
    return _uint64(low) | _uint64(high) << _uint64(32)


@inlined
def _spill(flat: Numba, first: Numba, word: Numba) -> None:
    """Copy eight samples back."""
    flat[first] = word
    flat[first + _ONE] = word >> _uint64(8)
    flat[first + _TWO] = word >> _uint64(16)
    flat[first + _THREE] = word >> _uint64(24)
    flat[first + _FOUR] = word >> _uint64(32)
    flat[first + _FIVE] = word >> _uint64(40)
    flat[first + _SIX] = word >> _uint64(48)
    flat[first + _SEVEN] = word >> _uint64(56)


@compiled
def code(planes: Numba, table: Numba) -> None:
    """Code each plane, uint8 [P, H, W] without gaps, by itself and in place."""
    count, height, width = planes.shape
    flat = planes.reshape(-1)
    inverse = ((1 + NUDGE) / (8 * table)).astype(np.float32)
    longs = np.zeros(_ROW, np.uint64)  # [y, lane]: eight samples of a block's row
    words = longs.view(np.uint32)
    work = np.zeros(8 * _ROW, np.int32)  # [y, x, lane]
    places = np.zeros((LANES, 3), np.int64)  # of each block: first sample, rows, columns
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
                    start = _uint64(first + min(y, rows - 1) * width)
                    longs[y * LANES + lane] = _word(flat, start)
            elif width >= 8:  # what ends with the row
                gap = _uint64(8 * (8 - columns))
                for y in range(8):
                    word = _word(flat, _uint64(first + min(y, rows - 1) * width + columns - 8))
                    last = _uint64((word >> _uint64(56)) * _uint64(0x0101010101010101))
                    longs[y * LANES + lane] = word >> gap | last << (_uint64(64) - gap)
            else:
                for y in range(8):
                    start, word = first + min(y, rows - 1) * width, _uint64(0)
                    for x in range(8):
                        sample = _uint64(flat[start + min(x, columns - 1)])
                        word |= sample << _uint64(8 * x)
                    longs[y * LANES + lane] = word
            left += 8
            if left >= width:
                left = 0
                top += 8
                if top >= height:
                    top = 0
                    plane += 1
        for y in range(8):
            for i in range(LANES):
                at = 2 * (y * LANES + i)
                row = _bytes(words[at], words[at + 1])
                _put(work, y * _ROW + i, LANES, _forward(row, 128, SHIFTS[0]))
        for x in range(8):
            for i in range(LANES):
                f = _forward(_get(work, x * LANES + i, _ROW), 0, SHIFTS[1])
                q = (
                    _quantised(f[0], inverse[x], table[x]),
                    _quantised(f[1], inverse[8 + x], table[8 + x]),
                    _quantised(f[2], inverse[16 + x], table[16 + x]),
                    _quantised(f[3], inverse[24 + x], table[24 + x]),
                    _quantised(f[4], inverse[32 + x], table[32 + x]),
                    _quantised(f[5], inverse[40 + x], table[40 + x]),
                    _quantised(f[6], inverse[48 + x], table[48 + x]),
                    _quantised(f[7], inverse[56 + x], table[56 + x]),
                )
                _put(work, x * LANES + i, _ROW, _inverse(q, 0, SHIFTS[2]))
        for y in range(8):
            for i in range(LANES):
                at = 2 * (y * LANES + i)
                v = _inverse(_get(work, y * _ROW + i, LANES), 128, SHIFTS[3])
                words[at] = _joined(_pixel(v[0]), _pixel(v[1]), _pixel(v[2]), _pixel(v[3]))
                words[at + 1] = _joined(_pixel(v[4]), _pixel(v[5]), _pixel(v[6]), _pixel(v[7]))
        for lane in range(lanes):
            first, rows, columns = places[lane, 0], places[lane, 1], places[lane, 2]
            if columns == 8:
                for y in range(rows):
                    _spill(flat, _uint64(first + y * width), longs[y * LANES + lane])
            else:
                for y in range(rows):
                    start, word = _uint64(first + y * width), longs[y * LANES + lane]
                    for x in range(columns):
                        flat[start + _uint64(x)] = word >> _uint64(8 * x)
