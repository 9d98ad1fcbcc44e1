"""Linear bounds passed from a value of a network back to the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from benchmark.certificates.graph import Graph, is_bent
from benchmark.certificates.steps import Affine, Step
from benchmark.certificates.window import Window

# values of one tensor of coefficients: 16 MiB
MOST_VALUES = 2**21


@dataclass(frozen=True)
class Interval:
    """Bounds of each value of N images: `low` and `high`, [N, *shape]."""

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

    def cut(self, step: Step, needed: Window, out: Window) -> Relaxation:
        """Return the relaxation of a step that is cut to a window of its input and output."""


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


# lower bounds [P] of rows, from an index: graph, index, rows, relaxations, image
LowerBounds = Callable[[Graph, int, Rows, Mapping[int, Relaxation], Interval], Tensor]


def in_parts(
    graph: Graph,
    start: int,
    rows: Rows,
    relaxed: Mapping[int, Relaxation],
    image: Interval,
    bound: LowerBounds = lower_bounds,
) -> Tensor:
    """Return the lower bounds of rows, a part of them at a time."""
    step = max(1, MOST_VALUES // max(graph.size(i) for i in range(graph.last + 1)))
    parts = zip(rows.a.split(step), rows.image.split(step), strict=True)
    return torch.cat([bound(graph, start, Rows(*part), relaxed, image) for part in parts])
