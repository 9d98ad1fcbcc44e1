"""Reads, writes and vectors in the language of LLVM, for what numba cannot say.

LLVM makes vectors of a loop where it knows that what is written is not read again. Each array more
costs a test at the loop's start, and beyond eight it gives up. `accesses` promises it instead. The
loops over chroma samples are as short as a row, where tests and remainders take longer than the
work; `halved` and `doubled` are whole vectors.
"""

from __future__ import annotations

import importlib
from typing import Any

from estimators.compiling import Numba, intrinsic

IR = Any  # types, values and builders of llvmlite
SAMPLES = 16  # of a halved plane, in one vector of 16 bits each


def accesses(name: str) -> tuple[Numba, Numba]:
    """Return `fetch(array, index)` and `put(array, index, value)` for one function of a name.

    In this function no element that is fetched may be put. Indexes are not negative.
    """

    def scope(builder: IR) -> IR:
        add = builder.module.add_metadata
        return add([add([f"{name} reads", add([name])])])

    def fetch(context: IR, array: IR, index: IR) -> IR:
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            value = builder.load(_place(machine, builder, signature.args[0], *values))
            value.set_metadata("alias.scope", scope(builder))
            return value

        return array.dtype(array, index), generate

    def put(context: IR, array: IR, index: IR, value: IR) -> IR:
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            place = _place(machine, builder, signature.args[0], *values[:2])
            builder.store(values[2], place).set_metadata("noalias", scope(builder))
            return machine.get_dummy_value()

        return importlib.import_module("numba").types.void(array, index, array.dtype), generate

    return intrinsic(fetch), intrinsic(put)


def bits() -> Numba:
    """Return a function that gives the bits of a float as an integer, and bytes as they are."""

    def emitted(context: IR, value: IR) -> IR:
        types: IR = importlib.import_module("numba").types
        kinds = {types.float32: types.uint32, types.float64: types.uint64}
        kind: IR = kinds.get(value, value)

        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            return builder.bitcast(values[0], machine.get_value_type(kind))

        return kind(value), generate

    return intrinsic(emitted)


def halved() -> Numba:
    """Return a function that halves two rows of a plane.

    Its arguments are the plane, the places of both rows in it, the halved plane and the place
    there. All planes are uint8 in one dimension; SAMPLES are written.
    """

    def emitted(context: IR, full: IR, top: IR, low: IR, half: IR, at: IR) -> IR:
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            source, first, second, target, at = values
            kinds = signature.args
            total = _numbers(1, 2)  # the bias
            for start in (first, second):
                place = _place(machine, builder, kinds[0], source, start)
                pairs = builder.load(builder.bitcast(place, _wide().as_pointer()), align=1)
                total = builder.add(total, builder.and_(pairs, _numbers(255)))
                total = builder.add(total, builder.lshr(pairs, _numbers(8)))
            place = _place(machine, builder, kinds[3], target, at)
            samples = builder.trunc(builder.lshr(total, _numbers(2)), _narrow())
            builder.store(samples, builder.bitcast(place, _narrow().as_pointer()), align=1)
            return machine.get_dummy_value()

        return _void(full, top, low, half, at), generate

    return intrinsic(emitted)


def doubled() -> Numba:
    """Return a function that doubles SAMPLES of a row of a plane, into two rows.

    Its arguments are the plane; the places in it of the samples, and of those above and below;
    how many samples of the row are before and behind the first one; the doubled plane; and the
    places of the upper and the lower row in it. All planes are uint8 in one dimension. What is
    before and behind the row is read, but not used.
    """

    def emitted(
        context: IR, half: IR, near: IR, above: IR, below: IR, before: IR, behind: IR, full: IR,
        upper: IR, lower: IR,
    ) -> IR:  # fmt: skip
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            source, near, above, below, before, behind, target, upper, lower = values
            kinds = signature.args
            ir = importlib.import_module("llvmlite.ir")

            def samples(at: IR, step: int) -> IR:
                place = _place(machine, builder, kinds[0], source, at)
                place = builder.gep(place, [ir.Constant(ir.IntType(64), step)])
                place = builder.bitcast(place, _narrow().as_pointer())
                return builder.zext(builder.load(place, align=1), _wide())

            def is_lane(number: IR) -> IR:
                single = builder.trunc(number, ir.IntType(16))
                spread = builder.insert_element(_numbers(0), single, ir.IntType(32)(0))
                zeros = ir.Constant(ir.VectorType(ir.IntType(32), SAMPLES), [0] * SAMPLES)
                spread = builder.shuffle_vector(spread, spread, zeros)
                return builder.icmp_signed("==", spread, _numbers(*range(SAMPLES)))

            first = is_lane(builder.neg(before))
            last = is_lane(behind)
            three = [builder.mul(samples(near, step), _numbers(3)) for step in (-1, 0, 1)]
            for far, row in ((above, upper), (below, lower)):
                sums = [
                    builder.add(part, samples(far, s))
                    for part, s in zip(three, (-1, 0, 1), strict=True)
                ]
                left = builder.select(first, sums[1], sums[0])
                right = builder.select(last, sums[1], sums[2])
                own = builder.mul(sums[1], _numbers(3))
                left = builder.lshr(builder.add(builder.add(own, left), _numbers(8)), _numbers(4))
                right = builder.lshr(builder.add(builder.add(own, right), _numbers(7)), _numbers(4))
                pairs = builder.or_(left, builder.shl(right, _numbers(8)))
                place = _place(machine, builder, kinds[6], target, row)
                builder.store(pairs, builder.bitcast(place, _wide().as_pointer()), align=1)
            return machine.get_dummy_value()

        return _void(half, near, above, below, before, behind, full, upper, lower), generate

    return intrinsic(emitted)


def _void(*arguments: IR) -> IR:
    return importlib.import_module("numba").types.void(*arguments)


def _place(machine: IR, builder: IR, kind: IR, array: IR, index: IR) -> IR:
    return builder.gep(machine.make_array(kind)(machine, builder, array).data, [index])


def _wide() -> IR:
    ir = importlib.import_module("llvmlite.ir")
    return ir.VectorType(ir.IntType(16), SAMPLES)


def _narrow() -> IR:
    ir = importlib.import_module("llvmlite.ir")
    return ir.VectorType(ir.IntType(8), SAMPLES)


def _numbers(*numbers: int) -> IR:
    """Return a vector of constants that repeat."""
    ir = importlib.import_module("llvmlite.ir")
    return ir.Constant(_wide(), list(numbers) * (SAMPLES // len(numbers)))
