"""alpha-CROWN: the lines below the ReLUs optimised by gradient (Xu et al. 2021).

Each bound is one number with lines of its own, so that every row has its own slopes. Hidden values
of small layers are optimised too, one layer after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.certificates.backward import Interval, Relaxation, Rows, lower_bounds
from benchmark.certificates.bounds import Bounds
from benchmark.certificates.crown import crown, margins
from benchmark.certificates.graph import Graph
from benchmark.certificates.hidden import hidden
from benchmark.certificates.ibp import on
from benchmark.certificates.relaxations import ReluLines

# of Adam, and its decay per step
RATE, DECAY = 0.25, 0.95
# values of one tensor of slopes: 4 MiB; some fifty of these are in memory at once
MOST_VALUES = 2**19


def alpha_crown(
    graph: Graph, image: Interval, labels: Tensor, rows: int, steps: int, optimised: int
) -> Bounds:
    """Return the bounds of alpha-CROWN for the images that CROWN does not decide.

    image: the values that each image [N, C, H, W] takes. labels: int64 [N]. rows: as in `crown`.
    steps: of the gradient. optimised: most values of a hidden layer whose bounds are optimised.
    """
    found = crown(graph, image, labels, rows)
    left = torch.nonzero(~(found.margin > 0)).flatten()
    if not len(left):
        return found
    bound, part = Optimised(steps), on(image, left)
    values, relaxed = hidden(graph, part, rows, bound, limit=optimised)
    better = margins(graph, values, relaxed, part, labels[left], bound)
    margin, undecided = found.margin.clone(), found.undecided.clone()
    margin[left] = torch.maximum(margin[left], better.margin)
    undecided[left] = torch.minimum(undecided[left], better.undecided)
    return Bounds(margin, undecided)


@dataclass(frozen=True)
class Optimised:
    """Lower bounds with the best slopes that so many steps find; those above 0 are left alone.

    steps: of the gradient.
    """

    steps: int

    def __call__(
        self,
        graph: Graph,
        start: int,
        rows: Rows,
        relaxed: Mapping[int, Relaxation],
        image: Interval,
    ) -> Tensor:
        """Return lower bounds [P], none below those of `backward.lower_bounds`."""
        best = lower_bounds(graph, start, rows, relaxed, image)
        left = torch.nonzero(~(best > 0)).flatten()
        for some in left.split(max(1, MOST_VALUES // max(map(graph.size, range(start + 1))))):
            part = Rows(rows.a[some], rows.image[some])
            best[some] = torch.maximum(best[some], self._climb(graph, start, part, relaxed, image))
        return best

    def _climb(
        self,
        graph: Graph,
        start: int,
        rows: Rows,
        relaxed: Mapping[int, Relaxation],
        image: Interval,
    ) -> Tensor:
        """Return the best bounds of the steps."""
        lines = {i: r for i, r in relaxed.items() if i < start and isinstance(r, ReluLines)}
        slopes = {i: r.line[rows.image].clone().requires_grad_() for i, r in lines.items()}
        best = rows.a.new_full((len(rows.a),), -torch.inf)
        if not slopes:
            return best
        optimiser = torch.optim.Adam(list(slopes.values()), lr=RATE)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
        for step in range(self.steps + 1):
            with torch.enable_grad():
                own = {i: line.with_slopes(slopes[i], rows.image) for i, line in lines.items()}
                found = lower_bounds(graph, start, rows, {**relaxed, **own}, image)
                loss = -found.sum()
            best = torch.maximum(best, found.detach())
            if step < self.steps:
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                with torch.no_grad():
                    for slope in slopes.values():
                        slope.clamp_(0, 1)
        return best
