"""Linear bounds passed from a value of a network back to the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from benchmark.certificates.graph import Graph, is_bent
from benchmark.certificates.steps import Affine


@dataclass(frozen=True)
class Interval:
    """Lower and upper bound of each value, [N, *shape] for N images."""

    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class Rows:
    """Sums of values that are to be bounded, each of one image.

    a: coefficients [P, *shape]. image: the image [P] of each row.
    """

    a: Tensor
    image: Tensor


class Relaxation(Protocol):
    """Linear functions between which a ReLU or a pooling lies, on an interval of its input."""

    def back(self, rows: Rows) -> tuple[Tensor | None, Tensor]:
        """Return coefficients [P, *shape] of the input and constants [P], together no larger.

        None stands for coefficients that are all zero.
        """


def lower_bounds(
    graph: Graph, start: int, rows: Rows, relaxed: Mapping[int, Relaxation], image: Interval
) -> Tensor:
    """Return lower bounds [P] of the sums of a value over the images of an interval.

    start: index of the value. relaxed: of each bent step before it, by index.
    """
    waiting = {start: rows.a}
    total = rows.a.new_zeros(len(rows.a))
    for index in range(start, 0, -1):
        a = waiting.pop(index, None)
        if a is None:
            continue
        node = graph.node(index)
        before: Tensor | None = a
        if is_bent(node.step):
            before, constant = relaxed[index].back(Rows(a, rows.image))
            total = total + constant
        elif isinstance(node.step, Affine):
            total = total + node.step.constant(a)
            before = node.step.adjoint(a)
        if before is not None:
            for source in node.inputs:
                known = waiting.get(source)
                waiting[source] = before if known is None else known + before
    return total if 0 not in waiting else total + least(Rows(waiting[0], rows.image), image)


def least(rows: Rows, values: Interval) -> Tensor:
    """Return the least sums [P] of coefficients times values of an interval."""
    low, high = values.low[rows.image], values.high[rows.image]
    return (rows.a.clamp(min=0) * low + rows.a.clamp(max=0) * high).flatten(1).sum(1)
