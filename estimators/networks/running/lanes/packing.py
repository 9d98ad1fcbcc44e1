"""Images side by side in vectors, and taken apart again: blocks of a matrix are transposed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from estimators.compiling import Numba, compiled, intrinsic
from estimators.networks.running.lanes.kernels import LANES

IR = Any  # values, types and builders of llvmlite
Floats = npt.NDArray[np.float32]
_float32 = np.float32


def empty_vectors(groups: int, channels: int, rows: int, columns: int, margin: int) -> Floats:
    """Return vectors without values but for the columns of zeros on both sides."""
    vectors = np.empty((groups, rows, columns + 2 * margin, channels, LANES), np.float32)
    vectors[:, :, :margin] = vectors[:, :, margin + columns :] = 0
    return vectors


def packed(images: Tensor, margin: int) -> Floats:
    """Return images [N, C, H, W] side by side, with columns of zeros on both sides."""
    count, channels, rows, columns = images.shape
    vectors = empty_vectors(-(-count // LANES), channels, rows, columns, margin)
    if not images.is_contiguous(memory_format=torch.channels_last):
        images = images.contiguous()
    _move(*_long_rows(images, vectors, margin), False)
    return vectors


def unpacked(vectors: Floats, shape: torch.Size, layout: torch.memory_format) -> Tensor:
    """Return images [N, C, H, W] from those side by side, in a memory layout."""
    count, *size = shape
    images = torch.empty(len(vectors) * LANES, *size, memory_format=layout)
    _move(*_long_rows(images, vectors, 0), True)
    return images[:count]


def _long_rows(images: Tensor, vectors: Floats, margin: int) -> tuple[Floats, Floats, int]:
    """Return the same memory as images with few and long rows, and their margin."""
    groups, rows, _, channels, _ = vectors.shape
    if images.is_contiguous(memory_format=torch.channels_last):
        flat = images.permute(0, 2, 3, 1).numpy().reshape(len(images), 1, rows, -1)
        vectors, margin, channels = (
            vectors.reshape(groups, rows, -1, 1, LANES),
            margin * channels,
            1,
        )
    else:
        flat = images.numpy()
    if not margin:
        flat = flat.reshape(len(flat), channels, 1, -1)
        vectors = vectors.reshape(groups, 1, -1, channels, LANES)
    return flat, vectors, margin


def _transposition(lanes: int) -> Numba:
    """Return a function for numba that transposes a block of lanes x lanes floats.

    Its arguments are two arrays of float32 in one dimension, the source and the target, and a
    tuple: the place of the first row in the source, the step to the next, the last row of the
    source (it stands for those behind it); the place of the first row in the target, the step.
    """

    def emitted(context: IR, source: IR, target: IR, numbers: IR) -> IR:
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            data = [
                machine.make_array(kind)(machine, builder, value).data
                for kind, value in zip(signature.args[:2], values[:2], strict=True)
            ]
            parts = [builder.extract_value(values[2], n) for n in range(5)]
            _emit(builder, data[0], data[1], parts, lanes)
            return machine.get_dummy_value()

        types = importlib.import_module("numba").types
        return types.void(source, target, types.UniTuple(types.int64, 5)), generate

    return intrinsic(emitted)


def _emit(builder: IR, source: IR, target: IR, numbers: list[IR], lanes: int) -> None:
    ir = importlib.import_module("llvmlite.ir")
    vector, whole = ir.VectorType(ir.FloatType(), lanes), ir.IntType(64)
    at, step, last, put, apart = numbers

    def place(base: IR, first: IR, row: IR, by: IR) -> IR:
        there = builder.add(first, builder.mul(row, by))
        return builder.bitcast(builder.gep(base, [there]), vector.as_pointer())

    rows = []
    for n in range(lanes):
        number = ir.Constant(whole, n)
        row = builder.select(builder.icmp_signed("<", number, last), number, last)
        rows.append(builder.load(place(source, at, row, step), align=4))
    size = 1
    while size < lanes:
        # squares of this size change places with those beside them
        upper = [k + lanes - size if k & size else k for k in range(lanes)]
        lower = [k + lanes if k & size else k + size for k in range(lanes)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), lanes), m) for m in (upper, lower)]
        for n in (n for n in range(lanes) if not n & size):
            pair = rows[n], rows[n + size]
            rows[n], rows[n + size] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        size *= 2
    for n, value in enumerate(rows):
        builder.store(value, place(target, put, ir.Constant(whole, n), apart), align=4)


_transposed = _transposition(LANES or 8)


@compiled
def _move(images: Numba, vectors: Numba, margin: Numba, back: Numba) -> None:
    """Put images [N, channels, rows, columns] side by side; the last one fills what is left.

    back: take them apart; then there are as many images as places.
    """
    count, channels, rows, columns = images.shape
    apart, step, flat = channels * rows * columns, channels * LANES, images.reshape(-1)
    for g in range(len(vectors)):
        side, last = vectors[g].reshape(-1), min(LANES, count - g * LANES) - 1
        for c in range(channels):
            for y in range(rows):
                here = ((g * LANES * channels + c) * rows + y) * columns
                there = ((y * (columns + 2 * margin) + margin) * channels + c) * LANES
                for start in range(0, columns, LANES):
                    x = min(start, columns - LANES)
                    if x < 0:  # rows shorter than a vector
                        for x in range(columns):
                            for lane in range(LANES):
                                place = here + min(lane, last) * apart + x
                                if back:
                                    flat[place] = side[there + x * step + lane]
                                else:
                                    side[there + x * step + lane] = flat[place]
                    elif back:
                        numbers = there + x * step, step, LANES - 1, here + x, apart
                        _transposed(side, flat, numbers)
                    else:
                        numbers = here + x, apart, last, there + x * step, step
                        _transposed(flat, side, numbers)


def row_of(values: Tensor, columns: int) -> Floats:
    """Return one value per channel [C, 1, 1] as `normalise` takes it, for images so wide."""
    return np.tile(np.repeat(values.numpy().reshape(-1), LANES), columns)


@compiled
def normalise(vectors: Numba, mean: Numba, std: Numba, margin: Numba) -> None:
    """Compute (x - mean) / std in place, without the columns of zeros; both are of `row_of`."""
    groups, rows, _, channels, _ = vectors.shape
    left = margin * channels * LANES
    for g in range(groups):
        for y in range(rows):
            _normalise_row(vectors[g, y].reshape(-1)[left : left + len(mean)], mean, std)


@compiled
def _normalise_row(row: Numba, mean: Numba, std: Numba) -> None:
    for i in range(len(row)):
        # a division by `/` asks for zeros first
        row[i] = np.divide(_float32(row[i] - mean[i]), std[i])
