"""An exact, fast JPEG round trip: the pixels that Pillow gives back, without writing a file.

Saving an image as JPEG and reading it again changes it in a few places only: the conversion to
YCbCr, the halving of the chroma planes, the integer DCT, the quantisation, and the same steps
backwards. The Huffman coding in between is lossless and therefore left out. What is computed is
baseline JPEG (ITU-T T.81, Annexes A and K.1) with the integer arithmetic of libjpeg's defaults,
which are Pillow's: the "islow" DCT, 4:2:0 for RGB, "fancy" chroma upsampling. All of it is exact in
integers, so the result is the same bit for bit at every size and quality and on every device.

There are two implementations, with the same tables and weights. On the CPU numba compiles a kernel
at the first call (some seconds, kept on disk for later processes). On other devices, and wherever
numba is missing, torch does the work. docs/decisions/0003-exact-jpeg.md has the measurements.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from art.defences import preprocessor


def _load_njit() -> Any:
    try:
        return importlib.import_module("numba").njit
    except ImportError:  # missing, or older than the NumPy beside it allows
        return None


_njit = _load_njit()
IntArray = npt.NDArray[np.int32]

# T.81, Tables K.1 and K.2, row by row.
_LUMA = """
    16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56
    14 17 22 29 51 87 80 62  18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92
    49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99"""
_CHROMA = """
    17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99
    47 66 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
    99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99"""
_LARGEST_SIDE = 65500  # libjpeg's limit
_CHUNK_CPU = 1 << 18  # samples: enough to hide the call overhead, few enough for the cache
_CHUNK_DEVICE = 1 << 24  # samples: temporary arrays of 128 MiB each


def round_trip(images: torch.Tensor, quality: int) -> torch.Tensor:
    """Compress each image as Pillow's `save(format="JPEG", quality=quality)` does, and decompress.

    images: uint8 [N, C, H, W]; C = 1 is coded as grey ("L"), C = 3 as RGB. quality: 1 to 100.
    Returns a new uint8 tensor of the same shape on the same device. Raises ValueError for another
    dtype, shape or quality. Safe to call from several threads at once.
    """
    tables = _tables(_checked_quality(quality))
    _check_shape(images.shape)
    if images.dtype != torch.uint8:
        raise ValueError(f"images must be uint8, not {images.dtype}")
    result = torch.empty(images.shape, dtype=torch.uint8, device=images.device)
    for source, target in zip(_chunks(images), _chunks(result), strict=True):
        target.copy_(_coded(source.clone(memory_format=torch.contiguous_format), *tables))
    return result


class JpegCompression(preprocessor.JpegCompression):  # type: ignore[misc]  # ART is not typed
    """ART's JpegCompression, many times faster, with the same results bit for bit.

    Takes float32 (or float64) images [N, C, H, W] in [0, 1], C = 1 or 3, and returns float32. Like
    ART it truncates 255 x to whole grey levels, codes them, divides by 255, and estimates the
    gradient as the identity (BPDA). Unlike ART it refuses NaN and values above 1, which ART lets
    wrap around, and supports no videos, no other number of channels, no `channels_first=False` and
    no range of 0 to 255: all these raise ValueError. `verbose` has no effect.
    """

    quality: int

    def __init__(
        self,
        clip_values: tuple[float, float] = (0.0, 1.0),
        quality: int = 50,
        channels_first: bool = True,
        apply_fit: bool = True,
        apply_predict: bool = True,
        verbose: bool = False,
    ) -> None:
        super().__init__(clip_values, quality, channels_first, apply_fit, apply_predict, verbose)

    def __call__(self, x: npt.NDArray[Any], y: Any = None) -> tuple[npt.NDArray[np.float32], Any]:
        """Return the compressed images, float32 [N, C, H, W] in [0, 1], and `y` as it came."""
        # torch shares memory with arrays only if they are writable and have no negative strides
        tensor = torch.from_numpy(np.require(x, requirements=["C", "W"]))
        return self.forward_tensor(tensor).numpy(), y

    @torch.no_grad()
    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """`__call__` for a tensor on any device: float32 [N, C, H, W] in [0, 1], no gradient."""
        _check_shape(x.shape)
        if x.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"images must be float32 or float64, not {x.dtype}")
        # A tensor and not a number, because CUDA turns division by a number into multiplication by
        # its reciprocal, which rounds differently.
        levels = torch.tensor(255.0, dtype=torch.float32, device=x.device)
        tables = _tables(self.quality)
        result = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        for source, target in zip(_chunks(x), _chunks(result), strict=True):
            torch.div(_coded(_grey_levels(source), *tables), levels, out=target)
        return result

    def _check_params(self) -> None:
        self.quality = _checked_quality(self.quality)
        super()._check_params()
        if tuple(self.clip_values) != (0, 1) or not self.channels_first:
            raise ValueError("only clip_values=(0, 1) and channels_first=True are supported")


def _checked_quality(quality: Any) -> int:
    try:
        number = operator.index(quality)  # takes NumPy's integers, refuses floats
    except TypeError:
        raise ValueError(f"quality must be an integer, not {quality!r}") from None
    if not 1 <= number <= 100:
        raise ValueError(f"quality must be 1 to 100, not {number}")
    return number


def _check_shape(shape: torch.Size) -> None:
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise ValueError(f"images must be [N, C, H, W] with C 1 or 3, not {list(shape)}")
    if not (1 <= shape[2] <= _LARGEST_SIDE and 1 <= shape[3] <= _LARGEST_SIDE):
        raise ValueError(f"height and width must be 1 to {_LARGEST_SIDE}, not {list(shape[2:])}")


def _compiles(images: torch.Tensor) -> bool:
    return _njit is not None and images.device.type == "cpu"


def _chunks(images: torch.Tensor) -> list[torch.Tensor]:
    """Split along N, so that temporary arrays stay small whatever N is."""
    samples = _CHUNK_CPU if images.device.type == "cpu" else _CHUNK_DEVICE
    size = max(1, samples // images.shape[1:].numel())
    return [images[first : first + size] for first in range(0, len(images), size)]


def _coded(images: torch.Tensor, luma: IntArray, chroma: IntArray) -> torch.Tensor:
    """`round_trip` of one chunk, contiguous; the result may be in the place of `images`."""
    if not _compiles(images):
        return _code_images_torch(images, luma, chroma)
    _code_images(images.numpy(), luma, chroma)
    return images


def _grey_levels(x: torch.Tensor) -> torch.Tensor:
    """Images in [0, 1] as whole levels, truncated, uint8; ValueError for other values."""
    if _compiles(x):
        levels = torch.empty(x.shape, dtype=torch.uint8)
        valid = _truncate(x.contiguous().numpy().reshape(-1), levels.numpy().reshape(-1))
    else:
        levels = (x * 255).to(torch.uint8)
        valid = bool(((x >= 0) & (x <= 1)).all())
    if not valid:
        low, high = x.min().item(), x.max().item()
        raise ValueError(f"images must lie in [0, 1] without NaN, not in [{low:.6g}, {high:.6g}]")
    return levels


@cache
def _tables(quality: int) -> tuple[IntArray, IntArray]:
    """Quantisation tables for luma and chroma, int32 [64] each, limited to 8 bits (baseline)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = np.array([_LUMA.split(), _CHROMA.split()]).astype(np.int32)
    luma, chroma = np.clip((tables * percent + 50) // 100, 1, 255)
    return luma, chroma


# ---- The transform -------------------------------------------------------------------------------
#
# One pass of the DCT over eight values is a linear map with integer weights, then one rounding
# shift to the right. Even frequencies depend on sums of mirrored samples, odd ones on differences.
# The weights are 2**13 * sqrt(2) * cos(k * pi / 16), some off by one because libjpeg composes them
# from rounded factors. The inverse uses the transposed map.

_EVEN = (
    (8192, 8192, 8192, 8192),
    (10703, 4433, -4433, -10703),
    (8192, -8192, -8192, 8192),
    (4433, -10704, 10704, -4433),
)
_EVEN_TRANSPOSED = tuple(zip(*_EVEN, strict=True))
_ODD = (  # its own transpose
    (11363, 9633, 6437, 2260),
    (9633, -2259, -11362, -6436),
    (6437, -11362, 2261, 9633),
    (2260, -6436, 9633, -11363),
)
_MATRIX = [
    row
    for even, odd in zip(_EVEN, _ODD, strict=True)
    for row in ((*even, *even[::-1]), (*odd, *(-weight for weight in odd[::-1])))
]
_SHIFTS = (11, 15, 11, 18)  # forward along rows, along columns; back along columns, along rows

# Quantising, libjpeg rounds halves away from zero, the processor to even. Quotients made larger by
# this share round alike: halves move away from zero, and nothing else comes across a half, because
# quotients differ by 1 / (8 step). The relative error of float32 here is a quarter of it.
_NUDGE = 2.0**-21


# ---- Any device: torch ---------------------------------------------------------------------------


def _code_images_torch(images: torch.Tensor, luma: IntArray, chroma: IntArray) -> torch.Tensor:
    """`round_trip` of one chunk."""
    if images.shape[1] == 1:
        return _code_torch(images[:, 0], luma)[:, None].to(torch.uint8)
    count, _, height, width = images.shape
    red, green, blue = images.int().unbind(1)
    y = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    cb = (-11059 * red - 21709 * green + 32768 * blue + (128 << 16) + 32767) >> 16
    cr = (32768 * red - 27439 * green - 5329 * blue + (128 << 16) + 32767) >> 16

    # Columns are extended to whole blocks before four samples become one, rows only afterwards.
    rows, columns = -(-height // 2), -(-width // 2)
    blocks = -(-columns // 8)
    both = _extended(torch.stack([cb, cr], 1).flatten(0, 1), 2 * rows, 16 * blocks)
    both = both[:, ::2] + both[:, 1::2]
    both = both[:, :, ::2] + both[:, :, 1::2]
    parity = torch.arange(16 * blocks, device=images.device) % 2
    both = _code_torch((both + 1 + parity[: 8 * blocks]) >> 2, chroma)[:, :, :columns]

    if columns > 2:
        both = (_doubled(_doubled(both, 1), 2) + 8 - parity[: 2 * columns]) >> 4
    else:  # libjpeg repeats the samples of very narrow images
        both = both.repeat_interleave(2, 1).repeat_interleave(2, 2)

    y = _code_torch(y, luma)
    cb, cr = (both[:, :height, :width] - 128).view(count, 2, height, width).unbind(1)
    red = y + ((91881 * cr + 32768) >> 16)
    green = y + ((-22554 * cb - 46802 * cr + 32768) >> 16)
    blue = y + ((116130 * cb + 32768) >> 16)
    return torch.stack([red, green, blue], 1).clamp_(0, 255).to(torch.uint8)


def _code_torch(planes: torch.Tensor, table: IntArray) -> torch.Tensor:
    """Code each plane, integers [P, H, W] in 0 to 255, by itself; returns int32 of the same shape.

    float64 holds every sum exactly (all are below 2**31), and TF32 and autocast leave it alone.
    """
    count, height, width = planes.shape
    rows, columns = -(-height // 8), -(-width // 8)
    blocks = _extended(planes, 8 * rows, 8 * columns).view(count, rows, 8, columns, 8)
    x = blocks.permute(2, 4, 0, 1, 3).reshape(8, 8, -1).double() - 128  # [y, x, block]
    dct = torch.tensor(_MATRIX, dtype=torch.float64, device=x.device)
    rows_forward, columns_forward = (dct * 0.5**shift for shift in _SHIFTS[:2])
    columns_back, rows_back = (dct.T * 0.5**shift for shift in _SHIFTS[2:])
    step = torch.from_numpy(table).to(x).view(8, 8, 1)
    x = _rounded(rows_forward @ x)
    x = _rounded((columns_forward @ x.flatten(1)).view_as(x))
    x = x.mul_((1 + _NUDGE) / (8 * step)).round_().mul_(step)
    x = _rounded((columns_back @ x.flatten(1)).view_as(x))
    x = _rounded(rows_back @ x).add_(128).clamp_(0, 255).int()
    x = x.view(8, 8, count, rows, columns).permute(2, 3, 0, 4, 1)
    return x.reshape(count, 8 * rows, 8 * columns)[:, :height, :width]


def _rounded(x: torch.Tensor) -> torch.Tensor:
    return x.add_(0.5).floor_()


def _extended(planes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Repeat the last row and the last column up to the given size."""
    for dimension, size in ((1, height), (2, width)):
        index = torch.arange(size, device=planes.device)
        planes = planes.index_select(dimension, index.clamp_(max=planes.shape[dimension] - 1))
    return planes


def _doubled(planes: torch.Tensor, dimension: int) -> torch.Tensor:
    """Two samples for each one: 3 times itself plus its left, then plus its right neighbour."""
    last = planes.shape[dimension] - 1
    index = torch.arange(last + 1, device=planes.device)
    left = planes.index_select(dimension, (index - 1).clamp_(min=0))
    right = planes.index_select(dimension, (index + 1).clamp_(max=last))
    both = torch.stack([3 * planes + left, 3 * planes + right], dimension + 1)
    return both.flatten(dimension, dimension + 1)


# ---- The CPU: numba ------------------------------------------------------------------------------
#
# Written so that every inner loop becomes vector code. numba computes in 64 bits; _int32(...)
# around a sum makes that 32, twice as many in a vector. No sum overflows them: coefficients are at
# most 1153 after quantisation, which bounds the sums of the last pass by 2.11e9 < 2**31. All
# working memory belongs to one call, so threads do not meet.

_LANES = 64  # blocks coded side by side
_ROW = 8 * _LANES
_F = TypeVar("_F", bound=Callable[..., Any])
_int32, _uint64, _float32 = np.int32, np.uint64, np.float32


def _compiled(function: _F) -> _F:
    if _njit is None:
        return function
    try:
        return cast(_F, _njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no writable place for the cache: every process compiles for itself
        return cast(_F, _njit(nogil=True)(function))


def _inlined(function: _F) -> _F:
    return function if _njit is None else cast(_F, _njit(inline="always")(function))


def _code_images(images: npt.NDArray[np.uint8], luma: IntArray, chroma: IntArray) -> None:
    """`round_trip` of one chunk, in place."""
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
def _truncate(x: Any, levels: Any) -> Any:
    """Floats [n] in [0, 1] to uint8 [n]; returns whether all were in range."""
    inside = _int32(0)
    for i in range(len(x)):
        v = x[i]
        inside = _int32(inside + (_int32(v >= _float32(0)) & _int32(v <= _float32(1))))
        levels[i] = _int32(v * _float32(255))
    return inside == len(x)


@_inlined
def _pixel(v: Any) -> Any:
    return min(max(_int32(v), _int32(0)), _int32(255))


@_compiled
def _to_ycc(rgb: Any, y: Any, chroma: Any) -> None:
    """[N, 3, pixels] to [N, pixels] and [N, 2, pixels], a loop for each plane."""
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
def _to_rgb(y: Any, chroma: Any, rgb: Any) -> None:
    """The way back."""
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
def _halve(full: Any, half: Any) -> None:
    """[P, H, W] to [P, rows, columns in whole blocks]; the bias alternates between 1 and 2."""
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
def _double(half: Any, pairs: Any) -> None:
    """[P, rows, columns or more] to [P, H, columns]; a uint16 is two samples, the left one low."""
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
def _dot(w: Any, x: Any) -> Any:
    return _int32(w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3])


@_inlined
def _forward(x: Any) -> Any:
    """Eight samples to eight frequencies, not yet shifted."""
    p = _int32(x[0] + x[7]), _int32(x[1] + x[6]), _int32(x[2] + x[5]), _int32(x[3] + x[4])
    m = _int32(x[0] - x[7]), _int32(x[1] - x[6]), _int32(x[2] - x[5]), _int32(x[3] - x[4])
    even = _dot(_EVEN[0], p), _dot(_EVEN[1], p), _dot(_EVEN[2], p), _dot(_EVEN[3], p)
    odd = _dot(_ODD[0], m), _dot(_ODD[1], m), _dot(_ODD[2], m), _dot(_ODD[3], m)
    return even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]


@_inlined
def _inverse(c: Any) -> Any:
    """Eight frequencies to eight samples, not yet shifted."""
    even, odd = (c[0], c[2], c[4], c[6]), (c[1], c[3], c[5], c[7])
    p0, m0 = _dot(_EVEN_TRANSPOSED[0], even), _dot(_ODD[0], odd)
    p1, m1 = _dot(_EVEN_TRANSPOSED[1], even), _dot(_ODD[1], odd)
    p2, m2 = _dot(_EVEN_TRANSPOSED[2], even), _dot(_ODD[2], odd)
    p3, m3 = _dot(_EVEN_TRANSPOSED[3], even), _dot(_ODD[3], odd)
    return p0 + m0, p1 + m1, p2 + m2, p3 + m3, p3 - m3, p2 - m2, p1 - m1, p0 - m0


@_inlined
def _shifted(v: Any, shift: Any) -> Any:
    return _int32(_int32(v + (1 << (shift - 1))) >> shift)


@_inlined
def _get(a: Any, at: Any, step: Any) -> Any:
    return (
        a[at], a[at + step], a[at + 2 * step], a[at + 3 * step],
        a[at + 4 * step], a[at + 5 * step], a[at + 6 * step], a[at + 7 * step],
    )  # fmt: skip


@_inlined
def _put(a: Any, at: Any, step: Any, v: Any, shift: Any) -> None:
    a[at], a[at + step] = _shifted(v[0], shift), _shifted(v[1], shift)
    a[at + 2 * step], a[at + 3 * step] = _shifted(v[2], shift), _shifted(v[3], shift)
    a[at + 4 * step], a[at + 5 * step] = _shifted(v[4], shift), _shifted(v[5], shift)
    a[at + 6 * step], a[at + 7 * step] = _shifted(v[6], shift), _shifted(v[7], shift)


@_inlined
def _word(b: Any) -> Any:
    return (
        _uint64(b[0]) | _uint64(b[1]) << _uint64(8) | _uint64(b[2]) << _uint64(16)
        | _uint64(b[3]) << _uint64(24) | _uint64(b[4]) << _uint64(32) | _uint64(b[5]) << _uint64(40)
        | _uint64(b[6]) << _uint64(48) | _uint64(b[7]) << _uint64(56)
    )  # fmt: skip


@_compiled
def _code(planes: Any, table: Any) -> None:
    """Code each plane, uint8 [P, H, W], by itself and in place, `_LANES` blocks at a time."""
    count, height, width = planes.shape
    columns = (width + 7) // 8
    each = (height + 7) // 8 * columns
    inverse = ((1 + _NUDGE) / (8 * table)).astype(np.float32)
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
                _put(work, i, _LANES, _forward(_get(work, i, _LANES)), _SHIFTS[0])
        for i in range(_ROW):
            _put(work, i, _ROW, _forward(_get(work, i, _ROW)), _SHIFTS[1])
        for k in range(64):
            for i in range(k * _LANES, (k + 1) * _LANES):
                work[i] = _int32(np.rint(_float32(work[i]) * inverse[k])) * table[k]
        for i in range(_ROW):
            _put(work, i, _ROW, _inverse(_get(work, i, _ROW)), _SHIFTS[2])
        for y in range(8):
            for i in range(y * _ROW, y * _ROW + _LANES):
                _put(work, i, _LANES, _inverse(_get(work, i, _LANES)), _SHIFTS[3])
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
