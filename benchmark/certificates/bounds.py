"""What a method returns, and the margins that every method bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.certificates.backward import Interval, Rows
from benchmark.certificates.graph import Graph
from benchmark.certificates.steps import MaxPool, Relu


@dataclass(frozen=True)
class Bounds:
    """What a method proves of images.

    margin: float64 [N], lower bound of the smallest difference between the logit of the label and
        another one.
    undecided: int64 [N], choices that the bounds leave open: ReLUs whose input can have either
        sign, and for each pooling window the values, less one, that can be its largest.
    """

    margin: Tensor
    undecided: Tensor


def margin_rows(graph: Graph, labels: Tensor) -> tuple[Rows, Tensor]:
    """Return the differences of logits, label less each other class, and their numbers.

    labels: int64 [N]. The second tensor [N, K - 1] has the rows of each image.
    """
    classes = graph.size(graph.last)
    image = torch.arange(len(labels), device=labels.device).repeat_interleave(classes - 1)
    every = torch.arange(classes, device=labels.device).expand(len(labels), -1)
    other = every[every != labels[:, None]]
    one = torch.eye(classes, dtype=torch.float64, device=labels.device)
    rows = Rows(one[labels[image]] - one[other], image)
    return rows, torch.arange(len(image), device=labels.device).view(-1, classes - 1)


def undecided(graph: Graph, values: Sequence[Interval]) -> Tensor:
    """Return `Bounds.undecided` of intervals by index."""
    total = torch.zeros(len(values[0].low), dtype=torch.int64, device=values[0].low.device)
    for node in graph.nodes:
        before = values[node.inputs[0]]
        if isinstance(node.step, Relu):
            total += ((before.low < 0) & (before.high > 0)).flatten(1).sum(1)
        elif isinstance(node.step, MaxPool):
            _, others = contenders(node.step, before)
            total += others.flatten(1).sum(1)
    return total


def contenders(step: MaxPool, before: Interval) -> tuple[Tensor, Tensor]:
    """Return what can be the largest value of each window, bool [N, C, window, out] each.

    The first has the place of the largest lower bound, the second the other places that can be
    larger than it.
    """
    low, high = step.windows(before.low), step.windows(before.high)
    best = low.argmax(2, keepdim=True)
    first = torch.zeros_like(low, dtype=torch.bool).scatter(2, best, value=True)
    return first, (high > low.gather(2, best)) & ~first
