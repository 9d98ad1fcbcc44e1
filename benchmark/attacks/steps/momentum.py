"""APGD's ascent in the Linf and the L2 ball: steps with momentum that halve themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.steps.ascent import Ascent, Evaluate, Rows
from benchmark.attacks.steps.projections import each, into_ball, lengths

# Algorithm 1: momentum, the share of steps that must increase the loss, the first step in eps
MOMENTUM, GAIN, FIRST_STEP = 0.75, 0.75, 2


@dataclass
class MomentumRows(Rows):
    """What Algorithm 1 needs beside.

    previous: the points before the current ones. increases: steps since the last check in which the
    loss grew. halved: whether the last check halved the step. checked: the best loss then.
    """

    previous: Tensor
    increases: Tensor
    halved: Tensor
    checked: Tensor


class MomentumAscent(Ascent[MomentumRows]):
    """One run of APGD (Croce and Hein 2020, Algorithm 1)."""

    def __init__(self, evaluate: Evaluate, norm: float, eps: float, max_iter: int) -> None:
        """norm: inf or 2. max_iter: evaluations of an image at most."""
        super().__init__(evaluate, eps, max_iter)
        self.norm, self.checks, self.last = norm, checkpoints(max_iter), 0

    def rows(self, start: Rows) -> MomentumRows:
        """Return the rows at the start, with the first step."""
        start.step = torch.full_like(start.loss, FIRST_STEP * self.eps)
        none = torch.zeros_like(start.loss)
        best = start.best_loss.clone()
        return MomentumRows(**vars(start), previous=start.x, increases=none,
                            halved=torch.zeros_like(start.hit), checked=best)  # fmt: skip

    def moved(self, rows: MomentumRows, k: int) -> Tensor:
        """Return the points after a step along the gradient and one with momentum."""
        sign = self.norm == math.inf
        step = rows.gradient.sign() if sign else unit(rows.gradient)
        moved = self._within(rows.centre, step.mul_(each(rows.step)).add_(rows.x))
        if k > 1:
            inertia = (rows.x - rows.previous).mul_(1 - MOMENTUM)
            moved = moved.sub_(rows.x).mul_(MOMENTUM).add_(rows.x).add_(inertia)
            moved = self._within(rows.centre, moved)
        rows.previous = rows.x
        return moved

    def adapt(self, rows: MomentumRows, k: int, grown: Tensor) -> None:
        """Halve steps at the checkpoints, by conditions 1 and 2 of section 3.2.1."""
        rows.increases += grown
        if k not in self.checks:
            return
        few = rows.increases < GAIN * (k - self.last)
        halve = few | (~rows.halved & (rows.checked >= rows.best_loss))
        rows.step = torch.where(halve, rows.step / 2, rows.step)
        back = halve & ~rows.hit
        rows.return_to_best(back)
        rows.previous = torch.where(each(back), rows.x, rows.previous)
        rows.halved, rows.checked, self.last = halve, rows.best_loss.clone(), k
        rows.increases = torch.zeros_like(rows.increases)

    def _within(self, centre: Tensor, moved: Tensor) -> Tensor:
        return into_ball(centre, moved, self.eps, self.norm)


def unit(change: Tensor) -> Tensor:
    """Return each change [N, C, H, W] with the L2 norm 1."""
    return change / (lengths(change) + 1e-12)


def checkpoints(max_iter: int) -> set[int]:
    """Return the steps after which the step size may be halved (section 3.2.1)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return {math.ceil(round(share * max_iter, 9)) for share in shares[1:]}
