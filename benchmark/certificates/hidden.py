"""Intervals of hidden values by backward bounds, layer after layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from benchmark.certificates.backward import (
    MOST_VALUES,
    Interval,
    LowerBounds,
    Relaxation,
    Rows,
    lower_bounds,
)
from benchmark.certificates.bounds import contenders
from benchmark.certificates.graph import Graph, is_bent
from benchmark.certificates.ibp import step_interval
from benchmark.certificates.relaxations import PoolLines, ReluLines
from benchmark.certificates.steps import MaxPool, Relu
from benchmark.certificates.window import Window
from benchmark.certificates.windows import Cut, cut_network, windows_before


def hidden(
    graph: Graph,
    image: Interval,
    most: int,
    bound: LowerBounds = lower_bounds,
    larger: LowerBounds = lower_bounds,
    limit: int = 0,
) -> tuple[list[Interval], dict[int, Relaxation]]:
    """Return the interval of each value by index, and the relaxation of each bent step.

    most: values of one layer and image that are bounded backward, counted as if each were passed
        through the whole network; a layer that has more keeps its intervals.
    bound: how; `larger` in layers of more than `limit` values.
    """
    values, relaxed = [image], dict[int, Relaxation]()
    for index in range(1, graph.last + 1):
        node = graph.node(index)
        own = step_interval(node.step, [values[i] for i in node.inputs])
        wanted = _wanted(graph, index, own) if node.loose else None
        wanted = None if wanted is None else _affordable(graph, index, wanted, most)
        if wanted is not None:
            how = bound if graph.size(index) <= limit else larger
            own = _tightened(graph, index, own, wanted, relaxed, image, how)
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
    for reader in graph.readers(index):
        step = graph.node(reader).step
        if isinstance(step, MaxPool):
            first, others = contenders(step, own)
            open_ = others.any(2, keepdim=True) & (first | others)
            wanted |= step.gathered(open_.double()) > 0
        elif isinstance(step, Relu) and _is_pooled(graph, reader):
            wanted |= own.high > 0  # the pooling compares them
        elif isinstance(step, Relu):
            wanted |= (own.low < 0) & (own.high > 0)
    return wanted if bool(wanted.any()) else None


def _is_pooled(graph: Graph, index: int) -> bool:
    return any(isinstance(graph.node(n).step, MaxPool) for n in graph.readers(index))


def _affordable(graph: Graph, index: int, wanted: Tensor, most: int) -> Tensor | None:
    """Return the wanted values of the images that have no more than `most`; None without any."""
    few = wanted.flatten(1).sum(1) * _part_read(graph, index) <= most
    kept = wanted & few.view(-1, *[1] * (wanted.ndim - 1))
    return kept if bool(kept.any()) else None


def _part_read(graph: Graph, index: int) -> float:
    """Return the share of the network before it that a value reads."""
    windows = _windows(graph, index)
    if windows is None:
        return 1.0
    sizes = [graph.size(i) for i in windows]
    areas = [size * _share(graph, i, windows[i]) for i, size in zip(windows, sizes, strict=True)]
    return sum(areas) / sum(sizes)


def _share(graph: Graph, index: int, window: Window) -> float:
    """Return the part of a value that a window has."""
    _, height, width = graph.node(index).shape if index else graph.shape
    (top, bottom), (left, right) = window
    return (bottom - top) * (right - left) / (height * width)


def _windows(graph: Graph, index: int) -> dict[int, Window] | None:
    """Return the windows of the middle of a value; None where these are no smaller networks."""
    shape = graph.node(index).shape
    if len(shape) != 3:
        return None
    row, column = shape[1] // 2, shape[2] // 2
    return windows_before(graph, index, Window((row, row + 1), (column, column + 1)))


def _tightened(
    graph: Graph,
    index: int,
    own: Interval,
    wanted: Tensor,
    relaxed: Mapping[int, Relaxation],
    image: Interval,
    bound: LowerBounds,
) -> Interval:
    """Return the interval with backward bounds for the wanted values, place by place."""
    low, high = own.low.clone(), own.high.clone()
    for place, part in _parts(graph, index, wanted, relaxed, image):
        here = wanted if place is None else place.taken(wanted)
        least, most = _both(part, here, bound)
        for values, found, better in ((low, least, torch.maximum), (high, most, torch.minimum)):
            old = values if place is None else place.taken(values)
            old.copy_(better(old, found))
    return Interval(low, high)


def _parts(
    graph: Graph, index: int, wanted: Tensor, relaxed: Mapping[int, Relaxation], image: Interval
) -> Iterator[tuple[Window | None, Cut]]:
    """Yield each place with wanted values, and the network that it depends on.

    The place None stands for all values: where windows are not smaller than the image.
    """
    whole = Cut(Graph(graph.shape, graph.nodes[:index]), dict(relaxed), image)
    if _windows(graph, index) is None:
        yield None, whole
        return
    for row, column in wanted.any(0).any(0).nonzero().tolist():
        place = Window((row, row + 1), (column, column + 1))
        windows = windows_before(graph, index, place)
        if windows is None:
            yield None, whole
            return
        yield place, cut_network(graph, index, windows, relaxed, image)


def _both(part: Cut, wanted: Tensor, bound: LowerBounds) -> tuple[Tensor, Tensor]:
    """Return lower and upper bounds of the last values, infinite where they are not wanted."""
    graph = part.graph
    low, high = (
        torch.full(wanted.shape, sign * torch.inf, dtype=torch.float64, device=wanted.device)
        for sign in (-1, 1)
    )
    image_of, place = wanted.flatten(1).nonzero(as_tuple=True)
    size = graph.size(graph.last)
    step = max(1, MOST_VALUES // max(graph.size(i) for i in range(graph.last + 1)) // 2)
    for start in range(0, len(place), step):
        of, at = image_of[start : start + step], place[start : start + step]
        one = torch.zeros(len(at), size, dtype=torch.float64, device=at.device)
        one.scatter_(1, at[:, None], 1.0)
        both = torch.cat([one, -one]).view(-1, *graph.node(graph.last).shape)
        found = bound(graph, graph.last, Rows(both, of.repeat(2)), part.relaxed, part.image)
        low.flatten(1)[of, at] = found[: len(at)]
        high.flatten(1)[of, at] = -found[len(at) :]
    return low, high
