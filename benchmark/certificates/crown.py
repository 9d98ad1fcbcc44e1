"""CROWN: linear bounds of each ReLU, passed backward (Zhang et al. 2018; Xu et al. 2020).

The lines are those of `relaxations`; the intervals that they need come from bounds of the same
kind (`hidden`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.certificates.backward import (
    Interval,
    LowerBounds,
    Relaxation,
    in_parts,
    lower_bounds,
)
from benchmark.certificates.bounds import Bounds, margin_rows, undecided
from benchmark.certificates.graph import Graph
from benchmark.certificates.hidden import hidden
from benchmark.certificates.ibp import constants


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
