"""Gradients of the weights and the bias of a convolution, with oneDNN's bits on one thread.

oneDNN adds up the products of a weight image by image, then row by row and pixel by pixel, each
with one rounding (FMA). Images may not lie side by side in a vector here: their order counts. A
vector has the weights of a row of the kernel, [columns, channels], as they lie in an image.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from estimators.compiling import Numba, compiled, inlined
from estimators.networks.running.lanes.kernels import LANES, _spread
from estimators.networks.running.lanes.sums import written

IR = Any  # values and builders of llvmlite
# numba compiles again when this file changes, and does not see a change of what it calls: its hash
KERNELS = "31b410ba"
# rows and columns of a kernel
SIDE = 5
# the numbers that a function of `products` takes, in this order; places and steps count floats
NUMBERS = (
    "source", "gradient", "target",  # places of the first elements
    "count", "gradient_step",  # of the products of a weight; from one's gradient to the next
    "source_row", "target_row",  # steps from a row of the kernel to the next
    "gradient_output", "target_output",  # steps from an output to the next
)  # fmt: skip


def products(outputs: int, rows: int, vectors: int, lanes: int) -> Numba:
    """Return a function for numba that adds products to the gradients of a block of weights.

    The block has some outputs, rows of the kernel, and vectors of each row. The last lane of a row
    gets the gradient of the bias. Arguments: a tuple of arrays in one dimension: source, gradient
    and target, float32, and the places of the pixels in the source, int64; a tuple of NUMBERS.
    """

    def write(builder: IR, data: list[IR], named: dict[str, IR]) -> None:
        _emit(builder, data, named, outputs, rows, vectors, lanes)

    return written(NUMBERS, write)


def _emit(
    builder: IR, data: list[IR], n: dict[str, IR], outputs: int, rows: int, vectors: int, lanes: int
) -> None:
    """Write a loop over pixels that holds all sums of a block in registers."""
    ir = importlib.import_module("llvmlite.ir")
    single, whole = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(single, lanes)
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fma.v{lanes}f32"
    fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    places = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    unset = ir.Constant(vector, ir.Undefined)
    # the bias is the weight of a value of one in the last lane
    ones = ir.Constant(vector, [1.0] * lanes)
    but_last = ir.Constant(places.type, [*range(lanes - 1), lanes])

    def number(value: int) -> IR:
        return ir.Constant(whole, value)

    def at(base: IR, place: IR) -> IR:
        return builder.bitcast(builder.gep(base, [place]), vector.as_pointer())

    def spread(place: IR) -> IR:
        value = builder.load(builder.gep(data[1], [place]), align=4)
        alone = builder.insert_element(unset, value, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(alone, unset, places)

    def each(place: IR, step: IR, count: int) -> list[IR]:
        return [builder.add(place, builder.mul(step, number(k))) for k in range(count)]

    blocks = [
        builder.add(row, number(v * lanes))
        for out in each(n["target"], n["target_output"], outputs)
        for row in each(out, n["target_row"], rows)
        for v in range(vectors)
    ]

    start = [builder.load(at(data[2], block), align=4) for block in blocks]
    before, inside = builder.block, builder.append_basic_block("pixel")
    after = builder.append_basic_block("end")
    builder.branch(inside)
    builder.position_at_end(inside)
    turn, place = builder.phi(whole), builder.phi(whole)
    sums = [builder.phi(vector) for _ in blocks]
    source = builder.add(n["source"], builder.load(builder.gep(data[3], [turn])))
    seen = []
    for row, first in enumerate(each(source, n["source_row"], rows)):
        for v in range(vectors):
            x = builder.load(at(data[0], builder.add(first, number(v * lanes))), align=4)
            last = row == 0 and v == vectors - 1
            seen.append(builder.shuffle_vector(x, ones, but_last) if last else x)
    totals = []
    for o, gradient in enumerate(each(place, n["gradient_output"], outputs)):
        d = spread(gradient)
        own = sums[o * len(seen) : (o + 1) * len(seen)]
        totals += [builder.call(fma, (x, d, s)) for x, s in zip(seen, own, strict=True)]
    turns = builder.add(turn, number(1))
    phis, starts = [turn, place, *sums], [number(0), n["gradient"], *start]
    ends = [turns, builder.add(place, n["gradient_step"]), *totals]
    for phi, first, following in zip(phis, starts, ends, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(following, inside)
    builder.cbranch(builder.icmp_signed("<", turns, n["count"]), inside, after)
    builder.position_at_end(after)
    for block, total in zip(blocks, totals, strict=True):
        builder.store(total, at(data[2], block), align=4)


# lanes, vectors of a row, outputs and rows per block, by the number of channels: as many sums as
# the registers hold; one lane is left for the bias
_WIDE = LANES == 16
BLOCKS = {
    1: (8, 1, 3 if _WIDE else 2, SIDE),
    3: (16, 1, 3, SIDE) if _WIDE else (8, 2, 1, SIDE),
    6: (16, 2, 2, SIDE) if _WIDE else (8, 4, 2, 1),
}
_of_1, _of_3, _of_6 = (products(o, r, v, w) for w, v, o, r in BLOCKS.values())
# the same for one output by itself
_by_1, _by_3, _by_6 = (products(1, r, v, w) for w, v, _, r in BLOCKS.values())


@inlined
def _block(
    channels: Numba, alone: Numba, a: Numba, b: Numba, c: Numba, at: Numba, numbers: Numba
) -> None:
    if channels == 1:
        if alone:
            _by_1((a, b, c, at), numbers)
        else:
            _of_1((a, b, c, at), numbers)
    elif channels == 3:
        if alone:
            _by_3((a, b, c, at), numbers)
        else:
            _of_3((a, b, c, at), numbers)
    elif alone:
        _by_6((a, b, c, at), numbers)
    else:
        _of_6((a, b, c, at), numbers)


@compiled
def add_all(
    gradient: Numba, marks: Numba, size: Numba, source: Numba, count: Numba, shape: Numba,
    block: Numba, target: Numba,
) -> None:  # fmt: skip
    """Add the products of a batch to the gradients of a layer's weights; it pools by the average.

    gradient, marks: as in `kernels.layer_gradient`. size: rows and columns of the convolution's
    outputs. source: `count` images [rows, columns, channels] of this shape, zeros around them, in
    one dimension; it is longer than they are by a vector. block: of BLOCKS. target: [outputs, rows
    of the kernel, lanes of a row], in one dimension.
    """
    groups, down, across, outputs, _ = gradient.shape
    rows, columns, channels = shape
    lanes, vectors, high, deep = block
    pixel, line, width = outputs * LANES, columns * channels, lanes * vectors
    spread = np.zeros(size[0] * size[1] * pixel, np.float32)
    at = np.empty(size[0] * size[1], np.int64)
    for y in range(size[0]):
        for x in range(size[1]):
            at[y * size[1] + x] = y * line + x * channels
    for g in range(groups):
        got, bits = gradient[g].reshape(-1), marks[g].reshape(-1)
        for py in range(down):
            for px in range(across):
                first, place = (2 * py * size[1] + 2 * px) * pixel, (py * across + px) * pixel
                below = first + size[1] * pixel
                _spread(
                    got[place : place + pixel], bits[place : place + pixel], np.float32(0.25),
                    spread[first : first + pixel], spread[first + pixel : first + 2 * pixel],
                    spread[below : below + pixel], spread[below + pixel : below + 2 * pixel],
                )  # fmt: skip
        for lane in range(min(LANES, count - g * LANES)):
            image = (g * LANES + lane) * rows * line
            for o in range(0, outputs, high):
                for r in range(0, SIDE, deep):
                    numbers = (
                        image + r * line, o * LANES + lane, (o * SIDE + r) * width,
                        len(at), pixel, line, width, LANES, SIDE * width,
                    )  # fmt: skip
                    _block(channels, False, source, spread, target, at, numbers)


@compiled
def add_largest(
    gradient: Numba, marks: Numba, source: Numba, count: Numba, shape: Numba, block: Numba,
    target: Numba,
) -> None:  # fmt: skip
    """Do the same for a layer that pools by the largest value: most of its products are zero."""
    _, down, across, outputs, _ = gradient.shape
    rows, columns, channels = shape
    lanes, vectors, _, deep = block
    line, width = columns * channels, lanes * vectors
    at, values = np.empty(down * across + 1, np.int64), np.empty(down * across + 1, np.float32)
    for n in range(count):
        got, bits, lane = gradient[n // LANES], marks[n // LANES], n % LANES
        for o in range(outputs):
            found = 0
            for y in range(2 * down):
                for px in range(across):
                    # 1 for the left pixel of this row of a window, 2 for the right one
                    hit = (np.int64(bits[y // 2, px, o, lane]) >> 2 * (y % 2)) & 3
                    at[found] = y * line + (2 * px + hit // 2) * channels
                    values[found] = got[y // 2, px, o, lane]
                    found += hit != 0
            for r in range(0, SIDE if found else 0, deep):
                numbers = (
                    (n * rows + r) * line, 0, (o * SIDE + r) * width,
                    found, 1, line, width, 0, 0,
                )  # fmt: skip
                _block(channels, True, source, values, target, at, numbers)
