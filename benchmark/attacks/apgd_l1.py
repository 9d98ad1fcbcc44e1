"""Auto-PGD in the L1 ball: sparse steps onto the ball and the box at once, from larger radii in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.geometry.l1_box import into_l1_box
from benchmark.attacks.steps.ascent import Ascent, Climbed, Evaluate, Rows
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import Streams

# three runs in a row, each from the best point of the one before: radii in eps, shares of the steps
STAGES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
# share of the values that the first step of the first stage changes
FIRST_SHARE = 0.2
# share of the steps between two checks
CHECK = 0.04
# a step changes 1 / DENSER of the pixels that the best point differs in
DENSER = 1.5
# the best point got sparser where it has less than this share of the pixels of the last check
SPARSER = 0.95
# otherwise the step is divided by SHRINK, down to eps / SMALLEST
SHRINK, SMALLEST = 1.5, 10.0


@dataclass
class SparseRows(Rows):
    """share: of the pixels that the next step changes. support: as of the last check."""

    share: Tensor
    support: Tensor


class SparseAscent(Ascent[SparseRows]):
    """One run of APGD in L1 (Croce and Hein 2021, Algorithm 1)."""

    def __init__(self, evaluate: Evaluate, eps: float, max_iter: int, sparse: bool) -> None:
        """sparse: whether the start has the sparsity of an earlier run."""
        super().__init__(evaluate, eps, max_iter)
        self.sparse = sparse

    def rows(self, start: Rows) -> SparseRows:
        """Return the rows at the start, with the first step."""
        start.step = torch.full_like(start.loss, self.eps)
        values = start.x[0].numel()
        if self.sparse:
            changed = support(start.x - start.centre)
            share = changed / (values * DENSER)
        else:
            changed = torch.full_like(start.loss, values)
            share = torch.full_like(start.loss, FIRST_SHARE)
        return SparseRows(**vars(start), share=share, support=changed)

    def moved(self, rows: SparseRows, k: int) -> Tensor:
        """Return the points after a step that changes the pixels of largest gradient alike."""
        signs = sparse_signs(rows.gradient, rows.share)
        length = rows.step / (support(signs) + 1e-10)
        return into_l1_box(rows.centre, signs.mul_(each(length)).add_(rows.x), self.eps)

    def adapt(self, rows: SparseRows, k: int, grown: Tensor) -> None:
        """At a check take the sparsity of the best point; return there if it got sparser."""
        if k % max(int(CHECK * self.max_iter), 1):
            return
        changed = support(rows.best - rows.centre)
        sparser = changed < SPARSER * rows.support
        rows.share = changed / (rows.x[0].numel() * DENSER)
        shorter = (rows.step / SHRINK).clamp_min(self.eps / SMALLEST)
        rows.step = torch.where(sparser, self.eps, shorter)
        rows.support = changed
        rows.return_to_best(sparser & ~rows.hit)


def climb_l1(
    evaluate: Evaluate, eps: float, max_iter: int, x: Tensor, y: Tensor, start: Tensor, copies: int
) -> Climbed:
    """Run the stages from a start [N, C, H, W]; see `Ascent.run`. Success counts in the last.

    max_iter: evaluations of an image at most, all stages together.
    """
    steps = [math.ceil(share * max_iter) for _, share in STAGES[:-1]]
    steps = [n for n in steps if sum(steps) < max_iter]
    used = sum(steps)
    for n, ((radius, _), count) in enumerate(zip(STAGES, steps, strict=False)):
        stage = SparseAscent(evaluate, radius * eps, count, sparse=n > 0)
        start = stage.run(x, y, into_l1_box(x, start, radius * eps), leave=False).images
    last = SparseAscent(evaluate, eps, max_iter - used, sparse=bool(steps))
    run = last.run(x, y, into_l1_box(x, start, eps), copies)
    return run._replace(used=run.used + used)


def l1_start(centre: Tensor, streams: Streams, copies: int, eps: float) -> Tensor:
    """Return normal noise around images [N * copies, C, H, W], projected onto the first stage."""
    shape = (copies, *centre.shape[1:])
    drawn = np.stack([stream.standard_normal(shape, dtype=np.float32) for stream in streams])
    noise = torch.from_numpy(drawn).flatten(0, 1).to(centre.device)
    return into_l1_box(centre, centre + noise, STAGES[0][0] * eps)


def support(change: Tensor) -> Tensor:
    """Return the number of values, float32 [N], in which each change [N, C, H, W] is not zero."""
    return (change != 0).flatten(1).sum(1).float()


def sparse_signs(gradient: Tensor, share: Tensor) -> Tensor:
    """Return the signs of the largest values of each gradient [N, C, H, W], zero elsewhere.

    share: [N], of the values that remain; at least one does, and with it those as large.
    """
    size = gradient.abs().flatten(1)
    pixels = size.shape[1]
    kept = pixels - ((1 - share) * pixels).long().clamp(0, pixels - 1)
    largest = size.topk(int(kept.max()), dim=1).values
    least = largest.gather(1, (kept - 1)[:, None])
    return torch.where((size >= least).view_as(gradient), gradient.sign(), 0.0)
