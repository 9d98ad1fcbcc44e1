"""CROWN: linear bounds of each ReLU, passed backward (Zhang et al. 2018; Xu et al. 2020).

A ReLU on [l, u] with l < 0 < u lies below the chord, relu(z) <= u (z - l) / (u - l), and above
each line through 0, relu(z) >= s z with s in [0, 1]. A positive coefficient takes the line, a
negative one the chord. Intervals of hidden values come from the same bounds, layer after layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.certificates.backward import (
    MOST_VALUES,
    Interval,
    LowerBounds,
    Relaxation,
    Rows,
    in_parts,
    lower_bounds,
)
from benchmark.certificates.bounds import Bounds, contenders, margin_rows, undecided
from benchmark.certificates.graph import Graph, is_bent
from benchmark.certificates.ibp import constants, step_interval
from benchmark.certificates.steps import MaxPool, Relu


def crown(graph: Graph, image: Interval, labels: Tensor, rows: int) -> Bounds:
    """Return the bounds of CROWN, or of interval propagation where these are better.

    image: the values that each image [N, C, H, W] takes. labels: int64 [N].
    rows: hidden values of one layer and image that are bounded backward at most; a layer that has
        more keeps its intervals.
    """
    values, relaxed = hidden(graph, image, rows)
    return margins(graph, values, relaxed, image, labels)


def margins(
    graph: Graph,
    values: list[Interval],
    relaxed: Mapping[int, Relaxation],
    image: Interval,
    labels: Tensor,
    bound: LowerBounds = lower_bounds,
) -> Bounds:
    """Return the bounds of the margins from those of the hidden values."""
    wanted, each = margin_rows(graph, labels)
    found = in_parts(graph, graph.last, wanted, relaxed, image, bound)
    plain = in_parts(graph, graph.last, wanted, constants(graph, values), image)
    return Bounds(torch.maximum(found, plain)[each].amin(1), undecided(graph, values))


def hidden(
    graph: Graph, image: Interval, most: int, bound: LowerBounds = lower_bounds
) -> tuple[list[Interval], dict[int, Relaxation]]:
    """Return the interval of each value by index, and the relaxation of each bent step.

    most: values of one layer and image that are bounded backward. bound: how.
    """
    values, relaxed = [image], dict[int, Relaxation]()
    for index in range(1, graph.last + 1):
        node = graph.node(index)
        own = step_interval(node.step, [values[i] for i in node.inputs])
        wanted = _wanted(graph, index, own) if node.loose else None
        if wanted is not None and int(wanted.flatten(1).sum(1).max()) <= most:
            own = _tightened(graph, index, own, wanted, relaxed, image, bound)
        values.append(own)
        before = values[node.inputs[0]]
        if isinstance(node.step, Relu):
            relaxed[index] = ReluLines.of(before)
        elif isinstance(node.step, MaxPool):
            relaxed[index] = PoolLines.of(node.step, before)
    return values, relaxed


def _wanted(graph: Graph, index: int, own: Interval) -> Tensor | None:
    """Return the values whose intervals decide a relaxation, bool [N, *shape]; None for none."""
    if is_bent(graph.node(index).step):
        return None  # its interval is as good as that of what it reads
    wanted = torch.zeros_like(own.low, dtype=torch.bool)
    for reader in (node for node in graph.readers(index) if is_bent(node.step)):
        at = graph.nodes.index(reader) + 1
        if isinstance(reader.step, MaxPool):
            first, others = contenders(reader.step, own)
            open_ = others.any(2, keepdim=True) & (first | others)
            wanted |= reader.step.gathered(open_.double()) > 0
        elif any(isinstance(node.step, MaxPool) for node in graph.readers(at)):
            wanted |= own.high > 0  # the pooling compares them
        else:
            wanted |= (own.low < 0) & (own.high > 0)
    return wanted if bool(wanted.any()) else None


def _tightened(
    graph: Graph,
    index: int,
    own: Interval,
    wanted: Tensor,
    relaxed: Mapping[int, Relaxation],
    image: Interval,
    bound: LowerBounds,
) -> Interval:
    """Return the interval with backward bounds for the wanted values."""
    low, high = own.low.flatten(1).clone(), own.high.flatten(1).clone()
    image_of, place = wanted.flatten(1).nonzero(as_tuple=True)
    size = graph.size(index)
    step = max(1, MOST_VALUES // max(graph.size(i) for i in range(index + 1)) // 2)
    for start in range(0, len(place), step):
        of, at = image_of[start : start + step], place[start : start + step]
        one = torch.zeros(len(at), size, dtype=torch.float64, device=at.device)
        one.scatter_(1, at[:, None], 1.0)
        both = torch.cat([one, -one]).view(-1, *graph.node(index).shape)
        found = bound(graph, index, Rows(both, of.repeat(2)), relaxed, image)
        low[of, at] = torch.maximum(low[of, at], found[: len(at)])
        high[of, at] = torch.minimum(high[of, at], -found[len(at) :])
    return Interval(low.view_as(own.low), high.view_as(own.high))


@dataclass(frozen=True)
class ReluLines:
    """The relaxation of a ReLU.

    chord, base: slope and value at 0 of the chord, [N, *shape]. line: slope of the line through 0,
    [N, *shape], or one for each row [P, *shape] where `own` is set. open: the sign is undecided.
    """

    chord: Tensor
    base: Tensor
    line: Tensor
    open: Tensor
    own: bool = False

    @classmethod
    def of(cls, before: Interval) -> ReluLines:
        """Return the relaxation on an interval; the line is the nearer one of slope 0 and 1."""
        low, high = before.low, before.high
        positive, undecided = low >= 0, (low < 0) & (high > 0)
        chord = torch.where(undecided, high / (high - low).clamp(min=1e-300), positive.double())
        base = torch.where(undecided, -chord * low, 0.0)
        line = torch.where(undecided, (high > -low).double(), positive.double())
        return cls(chord, base, line, undecided)

    def with_slopes(self, slopes: Tensor, image: Tensor) -> ReluLines:
        """Return the relaxation with slopes [P, *shape] of its own for rows of these images."""
        lines = torch.where(self.open[image], slopes, self.line[image])
        return replace(self, line=lines, own=True)

    def back(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the coefficients before the ReLU, and the constants."""
        above, below = rows.a.clamp(min=0), rows.a.clamp(max=0)
        line = self.line if self.own else self.line[rows.image]
        constant = (below * self.base[rows.image]).flatten(1).sum(1)
        return above * line + below * self.chord[rows.image], constant


@dataclass(frozen=True)
class PoolLines:
    """The relaxation of a max pooling: at least its value with the best lower bound.

    It is at most that value where no other can be larger, else at most the best upper bound.

    step: the pooling. first: the place of that value, [N, C, window, out]. known: it is always the
    largest, [N, *out]. most: the best upper bound, [N, *out].
    """

    step: MaxPool
    first: Tensor
    known: Tensor
    most: Tensor

    @classmethod
    def of(cls, step: MaxPool, before: Interval) -> PoolLines:
        """Return the relaxation on an interval."""
        first, others = contenders(step, before)
        shape = (len(first), *step.out_shape())
        most = step.windows(before.high).amax(2).view(shape)
        return cls(step, first.double(), ~others.any(2).view(shape), most)

    def back(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the coefficients before the pooling, and the constants."""
        above, below = rows.a.clamp(min=0), rows.a.clamp(max=0)
        known = self.known[rows.image]
        through = (above + below * known).flatten(2)[:, :, None]
        constant = (below * ~known * self.most[rows.image]).flatten(1).sum(1)
        return self.step.gathered(through * self.first[rows.image]), constant
