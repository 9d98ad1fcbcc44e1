"""Sums of products of vectors and weights, as machine code: the inner loops of a convolution.

numba has no vectors, so the loops are written in the language of LLVM. A product and its addition
round once (FMA), as in oneDNN. The order of the loops is the order of the additions.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from estimators.compiling import Numba, intrinsic, njit

IR = Any  # values, types and builders of llvmlite
# the numbers that a function of `sums` takes, in this order; places and steps count floats
NUMBERS = (
    "source", "weights", "target",  # places of the first elements
    "outer", "source_outer", "weights_outer",  # the outermost loop: its count, and its steps
    "middle", "source_middle", "weights_middle",
    "inner",  # the innermost loop: its steps are one vector, and one block of weights
    "source_pixel", "target_pixel",  # steps from a pixel of the block to the next
)  # fmt: skip


def vector_lanes() -> int:
    """Return how many floats a vector of this processor has: 16 or 8; 0 without numba and FMA.

    The variables NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count.
    """
    if njit is None:
        return 0
    context = importlib.import_module("numba.core.registry").cpu_target.target_context
    features = set(str(context.codegen()._tm_features).split(","))
    if not {"+avx2", "+fma"} <= features:
        return 0
    return 16 if "+avx512f" in features else 8


def written(names: Sequence[str], write: Callable[[IR, list[IR], dict[str, IR]], None]) -> Numba:
    """Return a function for numba whose body is written in the language of LLVM.

    Its arguments are a tuple of arrays in one dimension, and a tuple of whole numbers.

    names: of the numbers. write: gets the builder, the memory of the arrays, the numbers by name.
    """

    def emitted(context: IR, arrays: IR, numbers: IR) -> IR:
        def generate(machine: IR, builder: IR, signature: IR, values: IR) -> IR:
            parts = [builder.extract_value(values[0], n) for n in range(len(arrays))]
            data = [
                machine.make_array(kind)(machine, builder, part).data
                for kind, part in zip(arrays, parts, strict=True)
            ]
            named = {name: builder.extract_value(values[1], n) for n, name in enumerate(names)}
            write(builder, data, named)
            return machine.get_dummy_value()

        types = importlib.import_module("numba").types
        return types.void(arrays, types.UniTuple(types.int64, len(names))), generate

    return intrinsic(emitted)


def sums(outputs: int, pixels: int, lanes: int, columns: bool) -> Numba:
    """Return a function for numba that adds up products for a block of outputs and pixels.

    Its arguments are a tuple of arrays of float32, in one dimension: source, weights and target;
    then a tuple of NUMBERS. All three counts must be at least 1.

    columns: each turn of the outermost loop adds up by itself, and its sum is added then.
    """

    def write(builder: IR, data: list[IR], named: dict[str, IR]) -> None:
        _emit(builder, data, named, outputs, pixels, lanes, columns)

    return written(NUMBERS, write)


def _emit(
    builder: IR, data: list[IR], n: dict[str, IR], outputs: int, pixels: int, lanes: int,
    columns: bool,
) -> None:  # fmt: skip
    """Write three loops, one in another, and what stores their sums."""
    ir = importlib.import_module("llvmlite.ir")
    single, whole = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(single, lanes)
    zero = ir.Constant(vector, [0.0] * lanes)
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fma.v{lanes}f32"
    fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    places = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def load(base: IR, at: IR, of: IR) -> IR:
        place = builder.bitcast(builder.gep(base, [at]), of.as_pointer())
        return builder.load(place, align=4)

    def spread(value: IR) -> IR:
        first = ir.Constant(ir.IntType(32), 0)
        alone = builder.insert_element(ir.Constant(vector, ir.Undefined), value, first)
        return builder.shuffle_vector(alone, ir.Constant(vector, ir.Undefined), places)

    def loop(count: IR, steps: list[tuple[IR, IR]], held: list[IR], body: Any) -> list[IR]:
        """Run a body `count` times; it gets places that move by steps, and returns what it held."""
        before, inside = builder.block, builder.append_basic_block("turn")
        after = builder.append_basic_block("end")
        builder.branch(inside)
        builder.position_at_end(inside)
        number = builder.phi(whole)
        starts = [ir.Constant(whole, 0), *(start for start, _ in steps), *held]
        phis = [number, *(builder.phi(whole) for _ in steps), *(builder.phi(vector) for _ in held)]
        moved = phis[1 : 1 + len(steps)]
        results = body(moved, phis[1 + len(steps) :])
        turns = builder.add(number, ir.Constant(whole, 1))
        nexts = [turns, *(builder.add(a, step) for a, (_, step) in zip(moved, steps, strict=True))]
        for phi, start, following in zip(phis, starts, [*nexts, *results], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", turns, count), inside, after)
        builder.position_at_end(after)
        return list(results)

    def products(at: list[IR], held: list[IR]) -> list[IR]:
        pixel = [at[0]]
        for _ in range(pixels - 1):
            pixel.append(builder.add(pixel[-1], n["source_pixel"]))
        vectors = [load(data[0], place, vector) for place in pixel]
        found = []
        for o in range(outputs):
            weight = spread(load(data[1], builder.add(at[1], ir.Constant(whole, o)), single))
            own = held[o * pixels : (o + 1) * pixels]
            found += [builder.call(fma, (x, weight, s)) for x, s in zip(vectors, own, strict=True)]
        return found

    def inner(at: list[IR], held: list[IR]) -> list[IR]:
        steps = [ir.Constant(whole, lanes), ir.Constant(whole, outputs)]
        return loop(n["inner"], list(zip(at, steps, strict=True)), held, products)

    def middle(at: list[IR], held: list[IR]) -> list[IR]:
        steps = [n["source_middle"], n["weights_middle"]]
        moving = list(zip(at, steps, strict=True))
        if not columns:
            return loop(n["middle"], moving, held, inner)
        alone = loop(n["middle"], moving, [zero] * len(held), inner)
        return [builder.fadd(s, part) for s, part in zip(held, alone, strict=True)]

    steps = [(n[a], n[f"{a}_outer"]) for a in ("source", "weights")]
    totals = loop(n["outer"], steps, [zero] * (outputs * pixels), middle)
    for o in range(outputs):
        for p in range(pixels):
            at = builder.add(n["target"], ir.Constant(whole, o * lanes))
            at = builder.add(at, builder.mul(n["target_pixel"], ir.Constant(whole, p)))
            place = builder.bitcast(builder.gep(data[2], [at]), vector.as_pointer())
            builder.store(totals[o * pixels + p], place, align=4)
