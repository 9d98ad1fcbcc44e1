"""Ascent of a loss on many images at once, from which images drop out as they become adversarial.

The loop that APGD has in every norm; a subclass says how a step goes and when it becomes shorter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

# from images [N, C, H, W] and their labels [N, ...] to the loss [N], which is to grow, its gradient
# [N, C, H, W], and success [N]
Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Climbed(NamedTuple):
    """Where an ascent ended.

    images: float32 [N, C, H, W]: the first adversarial point, else the one with the largest loss.
    hits: bool [N], where the image is adversarial. used: int64 [N], evaluations of each image.
    """

    images: Tensor
    hits: Tensor
    used: Tensor


@dataclass
class Rows:
    """The images still in the ascent, one row each.

    index: [N], their places in the batch. centre, y: the images and labels.
    x: the current point. loss, gradient, hit: at this point.
    best, best_loss, best_gradient: the point with the largest loss so far.
    step: [N], size of the next step.
    """

    index: Tensor
    centre: Tensor
    y: Tensor
    x: Tensor
    loss: Tensor
    gradient: Tensor
    hit: Tensor
    best: Tensor
    best_loss: Tensor
    best_gradient: Tensor
    step: Tensor

    def keep(self, chosen: Tensor) -> None:
        """Keep the rows at these numbers."""
        for name, value in vars(self).items():
            setattr(self, name, value.index_select(0, chosen))

    def return_to_best(self, chosen: Tensor) -> None:
        """Move the chosen rows, bool [N], to their best point."""
        rows = chosen.nonzero().flatten()
        set_rows(self.x, rows, self.best)
        set_rows(self.gradient, rows, self.best_gradient)
        set_rows(self.loss, rows, self.best_loss)


R = TypeVar("R", bound=Rows)


class Ascent(ABC, Generic[R]):
    """One run from a start. A subclass holds what its norm needs, in fields of its rows."""

    def __init__(self, evaluate: Evaluate, eps: float, max_iter: int) -> None:
        """max_iter: evaluations of an image at most."""
        self.evaluate, self.eps, self.max_iter = evaluate, eps, max_iter

    @abstractmethod
    def rows(self, start: Rows) -> R:
        """Return the rows at the start, with the size of the first step and fields of its own."""

    @abstractmethod
    def moved(self, rows: R, k: int) -> Tensor:
        """Return the next points [N, C, H, W] for step k, from 1 on."""

    @abstractmethod
    def adapt(self, rows: R, k: int, grown: Tensor) -> None:
        """Adapt the steps after step k; grown: whether the loss grew in it, bool [N]."""

    def run(
        self, x: Tensor, y: Tensor, start: Tensor, copies: int = 1, leave: bool = True
    ) -> Climbed:
        """Climb from a start.

        copies: so many rows in succession are runs on one image; all leave when one succeeds.
        leave: whether a row leaves once it is adversarial; else success does not count.
        """
        result, hits = start.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        used = torch.full((len(x),), self.max_iter, device=x.device)
        loss, gradient, hit = self._evaluated(start, y, leave)
        index = torch.arange(len(x), device=x.device)
        best = (start.clone(), loss.clone(), gradient.clone())
        step = torch.zeros_like(loss)
        rows = self.rows(Rows(index, x, y, start, loss, gradient, hit, *best, step))
        for k in range(1, self.max_iter + 1):
            if bool(rows.hit.any()):
                won = rows.hit.nonzero().flatten()
                places = rows.index.index_select(0, won)
                result[places], hits[places] = rows.x.index_select(0, won), True
                gone = rows.hit.view(-1, copies).any(1).repeat_interleave(copies)
                used[rows.index[gone]] = k
                rows.keep((~gone).nonzero().flatten())
            if not len(rows.index) or k == self.max_iter:
                break
            rows.x, before = self.moved(rows, k), rows.loss
            rows.loss, rows.gradient, rows.hit = self._evaluated(rows.x, rows.y, leave)
            grown = rows.loss > before
            better = (rows.loss > rows.best_loss).nonzero().flatten()
            set_rows(rows.best, better, rows.x)
            set_rows(rows.best_gradient, better, rows.gradient)
            set_rows(rows.best_loss, better, rows.loss)
            self.adapt(rows, k, grown)
        result[rows.index] = rows.best
        return Climbed(result, hits, used)

    def _evaluated(self, x: Tensor, y: Tensor, leave: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return loss, gradient and success; nowhere success if nothing is to leave."""
        loss, gradient, hit = self.evaluate(x, y)
        return loss, gradient, hit if leave else torch.zeros_like(hit)


def set_rows(target: Tensor, rows: Tensor, source: Tensor) -> None:
    """Write the rows of one tensor with these numbers [M] into another, in place."""
    if len(rows):
        target.index_copy_(0, rows, source.index_select(0, rows))
