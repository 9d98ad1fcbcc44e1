"""IBP: intervals passed on step by step (Gowal et al. 2018, "On the effectiveness of IBP")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmark.certificates.backward import Interval, Rows, in_parts, least
from benchmark.certificates.bounds import Bounds, margin_rows, undecided
from benchmark.certificates.graph import Graph, is_bent
from benchmark.certificates.steps import Add, Affine, MaxPool, Step
from benchmark.certificates.window import Window


def ibp(graph: Graph, image: Interval, labels: Tensor) -> Bounds:
    """Return the bounds of interval propagation.

    image: the values that each image [N, C, H, W] takes. labels: int64 [N].
    """
    values = [image]
    for node in graph.nodes:
        values.append(step_interval(node.step, [values[i] for i in node.inputs]))
    rows, each = margin_rows(graph, labels)
    found = in_parts(graph, graph.last, rows, constants(graph, values), image)
    return Bounds(found[each].amin(1), undecided(graph, values))


def constants(graph: Graph, values: Sequence[Interval]) -> dict[int, Constant]:
    """Return relaxations that forget what the bent steps read."""
    bent = [n for n in range(1, len(values)) if is_bent(graph.node(n).step)]
    return {n: Constant(values[n]) for n in bent}


@dataclass(frozen=True)
class Constant:
    """The relaxation of a bent step by the interval of its output, `values`."""

    values: Interval

    def back(self, rows: Rows) -> tuple[Tensor | None, Tensor]:
        """Return no coefficients, and the least sums of the outputs."""
        return None, least(rows, self.values)

    def cut(self, _step: Step, _needed: Window, out: Window) -> Constant:
        """Return the relaxation of a step that is cut to a window of its output."""
        return Constant(Interval(out.taken(self.values.low), out.taken(self.values.high)))


def step_interval(step: Step, inputs: Sequence[Interval]) -> Interval:
    """Return the interval of a step's output from those of its inputs."""
    first = inputs[0]
    if isinstance(step, Affine):
        centre = step.shifted(step.linear((first.high + first.low) / 2))
        radius = step.spread((first.high - first.low) / 2)
        return Interval(centre - radius, centre + radius)
    if isinstance(step, Add):
        return Interval(first.low + inputs[1].low, first.high + inputs[1].high)
    if isinstance(step, MaxPool):
        shape = (len(first.low), *step.out_shape())
        low, high = (step.windows(v).amax(2).view(shape) for v in (first.low, first.high))
        return Interval(low, high)
    return Interval(first.low.clamp(min=0), first.high.clamp(min=0))


def ball(x: Tensor, radius: float) -> Interval:
    """Return the images within Linf `radius` of images [N, C, H, W], in [0, 1]."""
    return Interval((x - radius).clamp(0, 1), (x + radius).clamp(0, 1))


def on(interval: Interval, images: Tensor) -> Interval:
    """Return the interval of some of the images."""
    return Interval(interval.low[images], interval.high[images])
