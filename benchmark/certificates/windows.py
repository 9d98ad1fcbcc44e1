"""The part of a network that one place of a convolution depends on.

A hidden value of a convolution reads a small window of what comes before. Bounds of all channels
at one place are bounds of a network cut to these windows, which is much smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from torch import Tensor

from benchmark.certificates.backward import Interval, Relaxation
from benchmark.certificates.graph import Graph, Node
from benchmark.certificates.steps import (
    Add,
    Convolution,
    MaxPool,
    Pair,
    Positive,
    Relu,
    Scale,
    Step,
    cut,
)
from benchmark.certificates.window import Window

# a window of more of the image than this is not worth it
LARGEST = 0.6


def windows_before(graph: Graph, start: int, place: Window) -> dict[int, Window] | None:
    """Return the window of each value that a place of a value depends on; None for all of it.

    None also stands for a network with steps between that have no windows, and for windows too
    large to be worth it.
    """
    found = {start: place}
    for index in range(start, 0, -1):
        if index not in found:
            continue
        node = graph.node(index)
        if not isinstance(node.step, (Convolution, MaxPool, Scale, Relu, Add)):
            return None
        if len(node.step.shape) != 3:
            return None
        needed = _needed(node.step, found[index])
        for source in node.inputs:
            if any(low >= high for low, high in needed):
                return None  # it reads the border alone
            found[source] = needed.joined(found.get(source))
    (top, bottom), (left, right) = found[0]
    area = (bottom - top) * (right - left)
    return found if area <= LARGEST * graph.shape[1] * graph.shape[2] else None


def _needed(step: Step, out: Window) -> Window:
    """Return the window of a step's input that a window of its output reads."""
    if not isinstance(step, (Convolution, MaxPool)):
        return out
    axes = []
    for n in (0, 1):
        low, high = _reach(step, n, out[n])
        axes.append((max(low, 0), min(high, step.shape[1 + n])))
    return Window.of(*axes)


def _reach(step: Convolution | MaxPool, n: int, out: Pair) -> Pair:
    """Return from where to where an axis is read, padding included."""
    kernel = step.weight.shape[2 + n] if isinstance(step, Convolution) else step.kernel[n]
    low, last = (at * step.stride[n] - step.before[n] for at in (out[0], out[1] - 1))
    return low, last + step.dilation[n] * (kernel - 1) + 1


class Cut(NamedTuple):
    """A network cut to windows: graph, relaxations and image; its last value is the place."""

    graph: Graph
    relaxed: dict[int, Relaxation]
    image: Interval


def cut_network(
    graph: Graph,
    start: int,
    windows: Mapping[int, Window],
    relaxed: Mapping[int, Relaxation],
    image: Interval,
) -> Cut:
    """Return the network before a value, cut to windows of `windows_before`."""
    shape = windows[0].shape(graph.shape[0])
    nodes: list[Node] = []
    known = {0: 0}
    cut_relaxed: dict[int, Relaxation] = {}

    def add(step: Step, inputs: tuple[int, ...], channels: int, window: Window) -> int:
        nodes.append(Node(step, inputs, window.shape(channels), loose=True))
        return len(nodes)

    for index in sorted(windows.keys() - {0}):
        node, out = graph.node(index), windows[index]
        needed, inputs = _needed(node.step, out), []
        for source in node.inputs:
            have, channels = windows[source], node.step.shape[0]
            at = known[source]
            if have != needed:
                inner = needed.inside(have)
                take = partial(cut, rows=inner.rows, columns=inner.columns)
                at = add(Positive(have.shape(channels), None, take, True), (at,), channels, needed)
            inputs.append(at)
        step = _cut_step(node.step, needed, out)
        known[index] = add(step, tuple(inputs), node.shape[0], out)
        if index in relaxed:
            cut_relaxed[known[index]] = relaxed[index].cut(step, needed, out)
    part = Interval(windows[0].taken(image.low), windows[0].taken(image.high))
    return Cut(Graph(shape, tuple(nodes)), cut_relaxed, part)


def _cut_step(step: Step, needed: Window, out: Window) -> Step:
    shape = needed.shape(step.shape[0])
    if isinstance(step, (Convolution, MaxPool)):
        ends = [_reach(step, n, out[n]) for n in (0, 1)]
        before = needed.rows[0] - ends[0][0], needed.columns[0] - ends[1][0]
        after = ends[0][1] - needed.rows[1], ends[1][1] - needed.columns[1]
        return replace(step, shape=shape, before=before, after=after)
    if isinstance(step, Scale):
        bias = None if step.bias is None else _cut_values(step.bias, out)
        return replace(step, shape=shape, bias=bias, scale=_cut_values(step.scale, out))
    return replace(step, shape=shape)


def _cut_values(values: Tensor, out: Window) -> Tensor:
    """Return what a window has of values that broadcast to the output."""
    for n, dim in ((0, -2), (1, -1)):
        if values.dim() >= -dim and values.shape[dim] > 1:
            values = values.narrow(dim, out[n][0], out[n][1] - out[n][0])
    return values
