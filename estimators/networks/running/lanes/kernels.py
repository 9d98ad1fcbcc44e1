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
SUMS = "00000000"
LANES = vector_lanes()
# orders in which the products of a pixel are added up: row by row of the kernel; column by column;
# column by column, each by itself (of 6 outputs). Channels come innermost.
ROWS, COLUMNS, OWN_COLUMNS = range(3)
# outputs and pixels per block, by the number of outputs: as many sums as the registers hold
BLOCKS = {1: (1, 8), 3: (3, 4), 6: (6, 2), 16: (16, 1) if LANES == 16 else (4, 2)}
_of_1, _of_3, _of_6, _of_16 = (sums(*BLOCKS[n], LANES or 8, False) for n in (1, 3, 6, 16))
_own_6 = sums(*BLOCKS[6], LANES or 8, True)
_float32, _uint8 = np.float32, np.uint8
_BLOCK_16, _PIXELS_16 = BLOCKS[16]


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
    size, pixels = outputs, 2
    if outputs == 16:
        size, pixels = _BLOCK_16, _PIXELS_16
    elif outputs == 3:
        pixels = 4
    elif outputs == 1:
        pixels = 8
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
    largest: Numba, target: Numba, margin: Numba, marks: Numba,
) -> None:  # fmt: skip
    """Compute a convolution, its ReLU and its pooling.

    largest: whether the pooling takes the largest value; else the average. target: has `margin`
    columns of zeros on both sides. marks: uint8, the bits of those pixels of a window that get its
    gradient.
    """
    groups, rows, columns, channels, _ = source.shape
    outputs, across = kernel[2], columns - kernel[1] + 1
    scratch = np.empty(2 * across * outputs * LANES, np.float32)
    down = across * outputs * LANES
    for g in range(groups):
        flat = source[g].reshape(-1)
        for py in range(marks.shape[1]):
            for dy in range(2):
                _row(
                    flat, (rows, columns, channels), weights, kernel, order, padding,
                    2 * py + dy, scratch, across, dy * down,
                )  # fmt: skip
            for px in range(marks.shape[2]):
                for o in range(outputs):
                    first = (2 * px * outputs + o) * LANES
                    second = first + outputs * LANES
                    out, bits = target[g, py, px + margin, o], marks[g, py, px, o]
                    for i in range(LANES):
                        a = _float32(scratch[first + i] + bias[o])
                        b = _float32(scratch[second + i] + bias[o])
                        c = _float32(scratch[down + first + i] + bias[o])
                        d = _float32(scratch[down + second + i] + bias[o])
                        a, b = _relu(a), _relu(b)
                        c, d = _relu(c), _relu(d)
                        if largest:
                            most, bit = a, _uint8(1)
                            most, bit = _larger(b, _uint8(2), most, bit)
                            most, bit = _larger(c, _uint8(4), most, bit)
                            most, bit = _larger(d, _uint8(8), most, bit)
                            out[i], bits[i] = most, _uint8(0) if most <= 0 else bit
                        else:
                            out[i] = _float32(_float32(_float32(a + b) + c) + d) * _float32(0.25)
                            bits[i] = (
                                (_uint8(0) if a <= 0 else _uint8(1))
                                | (_uint8(0) if b <= 0 else _uint8(2))
                                | (_uint8(0) if c <= 0 else _uint8(4))
                                | (_uint8(0) if d <= 0 else _uint8(8))
                            )


@inlined
def _relu(v: Numba) -> Numba:
    # NaN stays
    return _float32(0) if v <= 0 else v


@inlined
def _larger(v: Numba, bit: Numba, most: Numba, of_most: Numba) -> Numba:
    """Return the larger of two values and its bit; of two equal ones the second; NaN is largest."""
    taken = v > most or v != v
    return (v if taken else most), (bit if taken else of_most)


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
    spread = np.zeros((size[0], size[1] + 2 * padding[1], outputs, LANES), np.float32)
    share = _float32(1 if largest else 0.25)
    shape = size[0], size[1] + 2 * padding[1], outputs
    for g in range(groups):
        for py in range(down):
            for px in range(across):
                left = 2 * px + padding[1]
                for o in range(outputs):
                    got, bits = gradient[g, py, px, o], marks[g, py, px, o]
                    a, b = spread[2 * py, left, o], spread[2 * py, left + 1, o]
                    c, d = spread[2 * py + 1, left, o], spread[2 * py + 1, left + 1, o]
                    for i in range(LANES):
                        v = _float32(got[i] * share)
                        a[i] = v if bits[i] & _uint8(1) else _float32(0)
                        b[i] = v if bits[i] & _uint8(2) else _float32(0)
                        c[i] = v if bits[i] & _uint8(4) else _float32(0)
                        d[i] = v if bits[i] & _uint8(8) else _float32(0)
        flat, into = spread.reshape(-1), target[g].reshape(-1)
        for y in range(rows):
            _row(
                flat, shape, weights, kernel, order, padding, y, into, columns,
                y * columns * channels * LANES,
            )  # fmt: skip


@compiled
def pack(images: Numba, target: Numba, margin: Numba) -> None:
    """Put images [N, channels, rows, columns] side by side; places without an image get zeros."""
    count, channels, rows, columns = images.shape
    for g in range(len(target)):
        for lane in range(LANES):
            n = g * LANES + lane
            for y in range(rows):
                for c in range(channels):
                    for x in range(columns):
                        value = images[n, c, y, x] if n < count else _float32(0)
                        target[g, y, x + margin, c, lane] = value


@compiled
def unpack(source: Numba, images: Numba) -> None:
    """Take images [N, channels, rows, columns] apart."""
    count, channels, rows, columns = images.shape
    for n in range(count):
        for c in range(channels):
            for y in range(rows):
                for x in range(columns):
                    images[n, c, y, x] = source[n // LANES, y, x, c, n % LANES]
