"""Layers on vectors of images, compiled by numba: a convolution, its ReLU and its pooling as one.

Arrays are float32 [groups, rows, columns, channels, LANES]: LANES images lie side by side, and one
instruction computes a pixel of each. Columns have the zeros of a padding on both sides, rows have
none. Pooling takes windows of 2x2 pixels.
"""

from __future__ import annotations

import numpy as np

from estimators.compiling import Numba, compiled, inlined
from estimators.networks.running.lanes.sums import sums, vector_lanes

# numba compiles again when this file changes, and does not see a change of the other: its hash
SUMS = "316f2215"
LANES = vector_lanes()
# orders in which the products of a pixel are added up: row by row of the kernel; column by column;
# column by column, each by itself; the last, from the end of the kernel. Channels come innermost.
ROWS, COLUMNS, OWN_COLUMNS, BACKWARDS = range(4)
# what follows the ReLU
NO_POOLING, AVERAGE, LARGEST = range(3)
# outputs and pixels per block, by the number of outputs: as many sums as the registers hold
_WIDE = LANES == 16
BLOCKS = {1: (1, 8), 3: (3, 4 if _WIDE else 3), 6: (6, 2), 16: (16, 1) if _WIDE else (2, 5)}
_of_1, _of_3, _of_6, _of_16 = (sums(*BLOCKS[n], LANES or 8, False) for n in (1, 3, 6, 16))
_own_1, _own_3, _own_6, _own_16 = (sums(*BLOCKS[n], LANES or 8, True) for n in (1, 3, 6, 16))
_SIZE_16, _PIXELS_16 = BLOCKS[16]
_PIXELS_1, _PIXELS_3, _PIXELS_6 = (BLOCKS[n][1] for n in (1, 3, 6))
BLOCKS[32] = BLOCKS[16]
_float32, _int32 = np.float32, np.int32


@inlined
def _block(outputs: Numba, own: Numba, a: Numba, b: Numba, c: Numba, numbers: Numba) -> None:
    if outputs >= 16:
        if own:
            _own_16((a, b, c), numbers)
        else:
            _of_16((a, b, c), numbers)
    elif outputs == 6:
        if own:
            _own_6((a, b, c), numbers)
        else:
            _of_6((a, b, c), numbers)
    elif outputs == 3:
        if own:
            _own_3((a, b, c), numbers)
        else:
            _of_3((a, b, c), numbers)
    elif own:
        _own_1((a, b, c), numbers)
    else:
        _of_1((a, b, c), numbers)


@compiled
def _row(
    source: Numba, shape: Numba, weights: Numba, kernel: Numba, order: Numba, steps: Numba,
    y: Numba, target: Numba, to: Numba, place: Numba,
) -> None:  # fmt: skip
    """Compute row y of a convolution without its bias, from one group of images.

    source, weights, target: in one dimension. shape: rows, columns, channels of the source, and
    its columns of zeros on each side. kernel: rows, columns, outputs; rows and columns of its zeros
    before the source. steps: from a pixel of the row to the next, in the source and in the target.
    to: pixels of the row. place: of the row in the target.
    """
    rows, columns, channels, margin = shape
    high, wide, outputs, above, before = kernel
    stride, across = steps
    size, pixels = outputs, _PIXELS_1
    if outputs >= 16:
        size, pixels = _SIZE_16, _PIXELS_16
    elif outputs == 6:
        pixels = _PIXELS_6
    elif outputs == 3:
        pixels = _PIXELS_3
    one = channels * LANES
    line, step = (columns + 2 * margin) * one, channels * size
    top = y * stride - above
    # what lies outside is zero: it is left out
    low, end = max(0, -top), min(high, rows - top)
    for part in range(outputs // size):
        for start in range(0, to, pixels):
            x = min(start, to - pixels)
            first = x * stride - before
            left = max(0, -first - (pixels - 1) * stride)
            right = min(wide, columns - first)
            # where the sums begin: in the source, in the weights
            row, column, by_row, by_column, turn = low, left, low, left, 1
            if order == BACKWARDS:
                row, column, by_row, by_column, turn = (
                    end - 1,
                    right - 1,
                    high - end,
                    wide - right,
                    -1,
                )
            at = (top + row) * line + (first + margin + column) * one
            put = place + (x * across * outputs + part * size) * LANES
            if order == ROWS:
                place_of = (by_row * wide + by_column) * step
                outer = end - low, line, wide * step
                inner = 1, 0, 0, (right - left) * channels
            else:
                place_of = (by_column * high + by_row) * step
                outer = right - left, turn * one, high * step
                inner = end - low, turn * line, step, channels
            numbers = (
                at, part * high * wide * step + place_of, put, *outer, *inner,
                stride * one, across * outputs * LANES,
            )  # fmt: skip
            _block(outputs, order >= OWN_COLUMNS, source, weights, target, numbers)


@compiled
def layer(
    source: Numba, weights: Numba, kernel: Numba, order: Numba, stride: Numba, bias: Numba,
    pooling: Numba, margin: Numba, target: Numba, marks: Numba, marked: Numba,
) -> None:  # fmt: skip
    """Compute a convolution, its ReLU and its pooling.

    kernel: as in `_row`; the source has its columns of zeros on both sides. bias: of the outputs,
    each LANES times. target: has `margin` columns of zeros on both sides. marks: uint8, the bits of
    those pixels of a window that get its gradient; written only where `marked`.
    """
    groups, rows, columns, channels, _ = source.shape
    before = kernel[4]
    across = (columns - kernel[1]) // stride + 1
    _, down, wide, outputs, _ = marks.shape
    step = outputs * LANES
    row = across * step
    both = np.empty(2 * row, np.float32)
    upper, lower = both[:row], both[row:]
    shape = rows, columns - 2 * before, channels, before
    window = 1 if pooling == NO_POOLING else 2
    for g in range(groups):
        flat, out, bits = source[g].reshape(-1), target[g].reshape(-1), marks[g].reshape(-1)
        for py in range(down):
            for dy in range(window):
                _row(
                    flat, shape, weights, kernel, order, (stride, 1), window * py + dy, both,
                    across, dy * row,
                )  # fmt: skip
            for px in range(wide):
                first, second = window * px * step, (window * px + window - 1) * step
                a, b = upper[first : first + step], upper[second : second + step]
                c, d = lower[first : first + step], lower[second : second + step]
                to = (py * (wide + 2 * margin) + px + margin) * step
                if pooling == LARGEST:
                    _largest(a, b, c, d, bias, out[to : to + step])
                elif pooling == AVERAGE:
                    _average(a, b, c, d, bias, out[to : to + step])
                else:
                    _alone(a, bias, out[to : to + step])
                if marked:
                    to = (py * wide + px) * step
                    if pooling == LARGEST:
                        _mark_largest(a, b, c, d, bias, bits[to : to + step])
                    elif pooling == AVERAGE:
                        _mark_positive(a, b, c, d, bias, bits[to : to + step])
                    else:
                        _mark_alone(a, bias, bits[to : to + step])


# the next are compiled by themselves: then arrays do not overlap, as far as the compiler must know


@inlined
def _relu(v: Numba) -> Numba:
    # NaN stays
    return _float32(0) if v <= 0 else v


@inlined
def _larger(v: Numba, most: Numba) -> Numba:
    # NaN counts as the largest
    return v if v > most or v != v else most


@compiled
def _alone(a: Numba, bias: Numba, out: Numba) -> None:
    for i in range(len(bias)):
        out[i] = _relu(_float32(a[i] + bias[i]))


@compiled
def _average(a: Numba, b: Numba, c: Numba, d: Numba, bias: Numba, out: Numba) -> None:
    for i in range(len(bias)):
        total = _float32(_relu(_float32(a[i] + bias[i])) + _relu(_float32(b[i] + bias[i])))
        total = _float32(total + _relu(_float32(c[i] + bias[i])))
        out[i] = _float32(total + _relu(_float32(d[i] + bias[i]))) * _float32(0.25)


@compiled
def _largest(a: Numba, b: Numba, c: Numba, d: Numba, bias: Numba, out: Numba) -> None:
    for i in range(len(bias)):
        most = _larger(_float32(b[i] + bias[i]), _float32(a[i] + bias[i]))
        most = _larger(_float32(c[i] + bias[i]), most)
        # ReLU keeps the order
        out[i] = _relu(_larger(_float32(d[i] + bias[i]), most))


@compiled
def _mark_alone(a: Numba, bias: Numba, bits: Numba) -> None:
    """Write whether ReLU let a pixel pass."""
    for i in range(len(bias)):
        bits[i] = _int32(0) if _float32(a[i] + bias[i]) <= 0 else _int32(1)


@compiled
def _mark_positive(a: Numba, b: Numba, c: Numba, d: Numba, bias: Numba, bits: Numba) -> None:
    """Write the bits of the pixels of a window that ReLU let pass."""
    for i in range(len(bias)):
        bit = _int32(0) if _float32(a[i] + bias[i]) <= 0 else _int32(1)
        bit = bit | (_int32(0) if _float32(b[i] + bias[i]) <= 0 else _int32(2))
        bit = bit | (_int32(0) if _float32(c[i] + bias[i]) <= 0 else _int32(4))
        bits[i] = bit | (_int32(0) if _float32(d[i] + bias[i]) <= 0 else _int32(8))


@compiled
def _mark_largest(a: Numba, b: Numba, c: Numba, d: Numba, bias: Numba, bits: Numba) -> None:
    """Write the bit of the first of the largest pixels of a window; none for those below zero."""
    for i in range(len(bias)):
        most, bit = _float32(a[i] + bias[i]), _int32(1)
        v = _float32(b[i] + bias[i])
        bit, most = (_int32(2) if v > most or v != v else bit), _larger(v, most)
        v = _float32(c[i] + bias[i])
        bit, most = (_int32(4) if v > most or v != v else bit), _larger(v, most)
        v = _float32(d[i] + bias[i])
        bit, most = (_int32(8) if v > most or v != v else bit), _larger(v, most)
        bits[i] = _int32(0) if most <= 0 else bit


@compiled
def _spread(got: Numba, bits: Numba, share: Numba, a: Numba, b: Numba, c: Numba, d: Numba) -> None:
    """Give a gradient to the pixels of a window."""
    for i in range(len(got)):
        v, bit = _float32(got[i] * share), _int32(bits[i])
        a[i] = v if bit & 1 else _float32(0)
        b[i] = v if bit & 2 else _float32(0)
        c[i] = v if bit & 4 else _float32(0)
        d[i] = v if bit & 8 else _float32(0)


@compiled
def _spread_alone(got: Numba, bits: Numba, a: Numba) -> None:
    """Give a gradient to one pixel."""
    for i in range(len(got)):
        a[i] = got[i] if bits[i] else _float32(0)


@compiled
def layer_gradient(
    gradient: Numba, marks: Numba, weights: Numba, phases: Numba, order: Numba, stride: Numba,
    size: Numba, margin: Numba, pooling: Numba, target: Numba,
) -> None:  # fmt: skip
    """Compute the gradient of the source of a `layer` from that of its target.

    gradient, target: without zeros around them. weights, phases, margin: those of `layers.Turned`.
    size: rows and columns of the convolution's outputs.
    """
    groups, down, across, outputs, _ = gradient.shape
    _, rows, columns, channels, _ = target.shape
    wide, step = size[1] + 2 * margin, outputs * LANES
    spread = np.zeros(size[0] * wide * step, np.float32)
    shape = size[0], size[1], outputs, margin
    window = 1 if pooling == NO_POOLING else 2
    share = _float32(0.25 if pooling == AVERAGE else 1)
    for g in range(groups):
        got, bits = gradient[g].reshape(-1), marks[g].reshape(-1)
        for py in range(down):
            for px in range(across):
                first = (window * py * wide + window * px + margin) * step
                below, place = first + wide * step, (py * across + px) * step
                if pooling == NO_POOLING:
                    _spread_alone(
                        got[place : place + step], bits[place : place + step],
                        spread[first : first + step],
                    )  # fmt: skip
                else:
                    _spread(
                        got[place : place + step], bits[place : place + step], share,
                        spread[first : first + step], spread[first + step : first + 2 * step],
                        spread[below : below + step], spread[below + step : below + 2 * step],
                    )  # fmt: skip
        into = target[g].reshape(-1)
        for y in range(rows):
            for x in range(stride):
                phase = phases[y % stride * stride + x]
                kernel = phase[1], phase[2], channels, phase[3], phase[4]
                pixels, place = (columns - x + stride - 1) // stride, y * columns + x
                _row(
                    spread, shape, weights[phase[0] :], kernel, order, (1, stride), y // stride,
                    into, pixels, place * channels * LANES,
                )  # fmt: skip
