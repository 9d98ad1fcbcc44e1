"""RGB to YCbCr and back, compiled for the CPU, between images of any type and planes of bytes.

libjpeg computes with 16 binary places. float32 holds all of its numbers exactly, with or without
fused operations, and most images are floats.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from estimators.compiling import Numba, compiled, inlined
from estimators.jpeg_codec.vectors import accesses, bits

# the beginning of the digest of vectors.py: numba compiles this file again only when it changes
VECTORS = "a06e0ccd"
_int32, _uint8, _uint64, _float32 = np.int32, np.uint8, np.uint64, np.float32
# 1 / 255 in two parts: a product of a byte and the first is exact, and their sum rounds as the
# quotient does, fused or not. A test compares all 256.
LARGE = _float32(round(2**23 / 255) / 2**23)
SMALL = _float32(1 / 255 - float(LARGE))
_HALF, _MIDDLE = _float32(0.5), _float32(128)
_fused = partial(compiled, fastmath={"contract"})
_fetch_rgb, _put_ycc = accesses("to_ycc")
_fetch_ycc, _put_rgb = accesses("to_rgb")
_bits = bits()


@compiled
def to_ycc(rgb: Numba, scale: Numba, top: Numba, y: Numba, chroma: Numba) -> Numba:
    """Convert numbers [N, 3, pixels] to uint8 [N, pixels] and [N, 2, pixels].

    Their levels are the numbers times scale, truncated. Returns whether the bits of all numbers
    are at most `top`: so are those of positive numbers that are not larger.
    """
    inside = True
    for n in range(len(rgb)):
        planes = y[n], chroma[n, 0], chroma[n, 1]
        inside &= _image_to_ycc(rgb[n, 0], rgb[n, 1], rgb[n, 2], scale, top, *planes)
    return inside


@compiled
def to_rgb(y: Numba, chroma: Numba, large: Numba, small: Numba, rgb: Numba) -> None:
    """Convert back, and multiply by large + small."""
    for n in range(len(rgb)):
        planes = rgb[n, 0], rgb[n, 1], rgb[n, 2]
        _image_to_rgb(y[n], chroma[n, 0], chroma[n, 1], large, small, *planes)


@compiled
def to_levels(x: Numba, scale: Numba, top: Numba, levels: Numba) -> Numba:
    """Convert numbers [n] to uint8 [n], as `to_ycc` does."""
    most = top
    for i in range(len(x)):
        most = max(most, _bits(x[i]))
        levels[i] = _int32(x[i] * scale)
    return most == top


@compiled
def from_levels(levels: Numba, large: Numba, small: Numba, x: Numba) -> None:
    """Multiply uint8 [n] by large + small."""
    for i in range(len(levels)):
        level = _float32(levels[i])
        x[i] = level * large + level * small


@_fused
def _image_to_ycc(
    red: Numba, green: Numba, blue: Numba, scale: Numba, top: Numba, y: Numba, cb: Numba, cr: Numba
) -> Numba:
    most = top
    for i in range(_uint64(len(y))):
        r, g, b = _fetch_rgb(red, i), _fetch_rgb(green, i), _fetch_rgb(blue, i)
        most = max(most, max(max(_bits(r), _bits(g)), _bits(b)))
        r, g, b = _level(r * scale), _level(g * scale), _level(b * scale)
        luma = r * _places(19595) + g * _places(38470) + b * _places(7471) + _HALF
        u = b * _HALF - r * _places(11059) - g * _places(21709) + _places(8421375)
        v = r * _HALF - g * _places(27439) - b * _places(5329) + _places(8421375)
        _put_ycc(y, i, _uint8(_int32(luma)))
        _put_ycc(cb, i, _uint8(_int32(u)))
        _put_ycc(cr, i, _uint8(_int32(v)))
    return most == top


@_fused
def _image_to_rgb(
    y: Numba, cb: Numba, cr: Numba, large: Numba, small: Numba, red: Numba, green: Numba,
    blue: Numba,
) -> None:  # fmt: skip
    for i in range(_uint64(len(y))):
        luma = _float32(_fetch_ycc(y, i))
        u, v = _float32(_fetch_ycc(cb, i)) - _MIDDLE, _float32(_fetch_ycc(cr, i)) - _MIDDLE
        r = _pixel(luma + np.floor(v * _places(91881) + _HALF))
        g = _pixel(luma + np.floor(_HALF - u * _places(22554) - v * _places(46802)))
        b = _pixel(luma + np.floor(u * _places(116130) + _HALF))
        _put_rgb(red, i, r * large + r * small)
        _put_rgb(green, i, g * large + g * small)
        _put_rgb(blue, i, b * large + b * small)


@inlined
def _places(v: Numba) -> Numba:
    """Return an integer with 16 binary places."""
    return _float32(v / 65536)


@inlined
def _level(v: Numba) -> Numba:
    return _float32(_int32(v))


@inlined
def _pixel(v: Numba) -> Numba:
    return min(max(v, _float32(0)), _float32(255))
