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
SUMS = "afc73062"
LANES = vector_lanes()
# orders in which the products of a pixel are added up: row by row of the kernel; column by column;
# column by column, each by itself (of 6 outputs). Channels come innermost.
ROWS, COLUMNS, OWN_COLUMNS = range(3)
# outputs and pixels per block, by the number of outputs: as many sums as the registers hold
_WIDE = LANES == 16
BLOCKS = {1: (1, 8), 3: (3, 4 if _WIDE else 3), 6: (6, 2), 16: (16, 1) if _WIDE else (2, 5)}
_of_1, _of_3, _of_6, _of_16 = (sums(*BLOCKS[n], LANES or 8, False) for n in (1, 3, 6, 16))
_own_6 = sums(*BLOCKS[6], LANES or 8, True)
_float32, _int32 = np.float32, np.int32
_SIZE_16, _PIXELS_16 = BLOCKS[16]
_PIXELS_1, _PIXELS_3, _PIXELS_6 = (BLOCKS[n][1] for n in (1, 3, 6))


@inlined
def _block(outputs: Numba, order: Numba, a: Numba, b: Numba, c: Numba, numbers: Numba) -> None:
    if order == OWN_COLUMNS:
        _own_6(a, b, c, numbers)
    elif outputs == 16:
        _of_16(a, b, c, numbers)
    elif outputs == 6:
        _of_6(a, b, c, numbers)
    elif outputs == 3:
        _of_3(a, b, c, numbers)
    else:
        _of_1(a, b, c, numbers)


@compiled
def _row(
    source: Numba, shape: Numba, weights: Numba, kernel: Numba, order: Numba, padding: Numba,
    y: Numba, target: Numba, to: Numba, place: Numba,
) -> None:  # fmt: skip
    """Compute row y of a convolution without its bias, from one group of images.

    source, weights, target: in one dimension. shape: rows, columns, channels of the source.
    kernel: rows, columns, outputs. padding: rows, columns; those of columns are in the source.
    to: pixels of the row. place: of the row in the target.
    """
    rows, columns, channels = shape
    high, wide, outputs = kernel
    size, pixels = outputs, _PIXELS_1
    if outputs == 16:
        size, pixels = _SIZE_16, _PIXELS_16
    elif outputs == 6:
        pixels = _PIXELS_6
    elif outputs == 3:
        pixels = _PIXELS_3
    line, top = columns * channels * LANES, y - padding[0]
    # what lies outside is zero: it is left out
    low, end = max(0, -top), min(high, rows - top)
    for start in range(0, to, pixels):
        x = min(start, to - pixels)
        left = max(0, padding[1] - x - pixels + 1)
        right = min(wide, columns - padding[1] - x)
        at = (top + low) * line + (x + left) * channels * LANES
        for part in range(outputs // size):
            first = part * high * wide * channels * size
            put = place + (x * outputs + part * size) * LANES
            steps = channels * LANES, outputs * LANES
            if order == ROWS:
                first += (low * wide + left) * channels * size
                turns = end - low, line, wide * channels * size, 1, 0, 0, (right - left) * channels
                _block(outputs, order, source, weights, target, (at, first, put, *turns, *steps))
            else:
                first += (left * high + low) * channels * size
                turns = (
                    right - left, channels * LANES, high * channels * size,
                    end - low, line, channels * size, channels,
                )  # fmt: skip
                _block(outputs, order, source, weights, target, (at, first, put, *turns, *steps))


@compiled
def layer(
    source: Numba, weights: Numba, bias: Numba, kernel: Numba, order: Numba, padding: Numba,
    largest: Numba, target: Numba, margin: Numba, marks: Numba, marked: Numba,
) -> None:  # fmt: skip
    """Compute a convolution, its ReLU and its pooling.

    bias: [outputs * LANES]. largest: whether the pooling takes the largest value; else the average.
    target: has `margin` columns of zeros on both sides. marks: uint8, the bits of those pixels of a
    window that get its gradient; written only where `marked`.
    """
    groups, rows, columns, channels, _ = source.shape
    outputs, across = kernel[2], columns - kernel[1] + 1
    _, down, wide, _, _ = marks.shape
    step = outputs * LANES
    row = across * step
    both = np.empty(2 * row, np.float32)
    upper, lower = both[:row], both[row:]
    shape = rows, columns, channels
    for g in range(groups):
        flat, out, bits = source[g].reshape(-1), target[g].reshape(-1), marks[g].reshape(-1)
        for py in range(down):
            for dy in range(2):
                _row(
                    flat,
                    shape,
                    weights,
                    kernel,
                    order,
                    padding,
                    2 * py + dy,
                    both,
                    across,
                    dy * row,
                )
            for px in range(wide):
                first, second = 2 * px * step, (2 * px + 1) * step
                a, b = upper[first:second], upper[second : second + step]
                c, d = lower[first:second], lower[second : second + step]
                to = (py * (wide + 2 * margin) + px + margin) * step
                if largest:
                    _largest(a, b, c, d, bias, out[to : to + step])
                else:
                    _average(a, b, c, d, bias, out[to : to + step])
                if marked:
                    to = (py * wide + px) * step
                    if largest:
                        _mark_largest(a, b, c, d, bias, bits[to : to + step])
                    else:
                        _mark_positive(a, b, c, d, bias, bits[to : to + step])


# the four are compiled by themselves: then arrays do not overlap, as far as the compiler must know


@inlined
def _relu(v: Numba) -> Numba:
    # NaN stays
    return _float32(0) if v <= 0 else v


@inlined
def _larger(v: Numba, most: Numba) -> Numba:
    # NaN counts as the largest
    return v if v > most or v != v else most


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
def layer_gradient(
    gradient: Numba, marks: Numba, weights: Numba, kernel: Numba, order: Numba, padding: Numba,
    size: Numba, largest: Numba, target: Numba,
) -> None:  # fmt: skip
    """Compute the gradient of the source of a `layer` from that of its target.

    gradient, target: without zeros around them. weights: turned. padding: of the convolution with
    them. size: rows and columns of the convolution's outputs.
    """
    groups, down, across, outputs, _ = gradient.shape
    _, rows, columns, channels, _ = target.shape
    wide, step = size[1] + 2 * padding[1], outputs * LANES
    spread = np.zeros(size[0] * wide * step, np.float32)
    share = _float32(1 if largest else 0.25)
    for g in range(groups):
        got, bits = gradient[g].reshape(-1), marks[g].reshape(-1)
        for py in range(down):
            for px in range(across):
                first = (2 * py * wide + 2 * px + padding[1]) * step
                below, place = first + wide * step, (py * across + px) * step
                _spread(
                    got[place : place + step], bits[place : place + step], share,
                    spread[first : first + step], spread[first + step : first + 2 * step],
                    spread[below : below + step], spread[below + step : below + 2 * step],
                )  # fmt: skip
        into = target[g].reshape(-1)
        for y in range(rows):
            _row(
                spread, (size[0], wide, outputs), weights, kernel, order, padding, y, into, columns,
                y * columns * channels * LANES,
            )  # fmt: skip


@compiled
def pack(images: Numba, target: Numba, margin: Numba) -> None:
    """Put images [N, channels, rows, columns] side by side; the last one fills what is left."""
    count, channels, rows, columns = images.shape
    for g in range(len(target)):
        first, last = g * LANES, count - 1
        if channels == 1:
            for y in range(rows):
                for x in range(columns):
                    into = target[g, y, x + margin, 0]
                    for lane in range(LANES):
                        into[lane] = images[min(first + lane, last), 0, y, x]
        else:
            for lane in range(LANES):
                image = images[min(first + lane, last)]
                for y in range(rows):
                    for c in range(channels):
                        for x in range(columns):
                            target[g, y, x + margin, c, lane] = image[c, y, x]


@compiled
def unpack(source: Numba, images: Numba) -> None:
    """Take images [N, channels, rows, columns] apart."""
    count, channels, rows, columns = images.shape
    for n in range(count):
        for c in range(channels):
            for y in range(rows):
                for x in range(columns):
                    images[n, c, y, x] = source[n // LANES, y, x, c, n % LANES]
