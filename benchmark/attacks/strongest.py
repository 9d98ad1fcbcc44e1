"""The attack `strongest`: a search that spends its passes on the images that still stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from benchmark.attacks.square import Square
from benchmark.attacks.steps.checks import as_budget, as_count, as_norm
from benchmark.attacks.steps.crafted import Found
from benchmark.attacks.steps.projections import into_ball
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from benchmark.attacks.strongest_rounds import (
    DIVERSE_STEPS,
    GRADIENT_PASSES,
    OPENING,
    PARTS,
    SQUARE_SHARE,
    Round,
    rounds,
)
from benchmark.attacks.strongest_runs import ANY, Runs
from estimators.classifier import Classifier
from estimators.errors import InputError

NORMS = (1.0, 2.0, math.inf)
# runs of an image in one batch at most, whatever the batch: the first success ends them
SIDE_BY_SIDE = 9
# gradients are taken to be masked where the first round lowers the margin by less than this share
MASKED = 1e-3


@dataclass
class History:
    """What is known of the images [N] of a batch; an image's own row decides how it goes on.

    x, y: images and labels. near: the adversarial points, else those of smallest margin.
    margin: [N], at `near`. first: [N], of the image itself.
    gaps: [N, classes], smallest gap seen between the label's logit and that of a class.
    tried: [N, classes], runs against a class. part: [N], as in `Found`.
    spent: [N, 2], gradients and forward passes.
    """

    x: Tensor
    y: Tensor
    near: Tensor
    margin: Tensor
    first: Tensor
    gaps: Tensor
    tried: Tensor
    part: Tensor
    spent: Tensor

    def classes(self, rows: Tensor, wanted: Round) -> Tensor:
        """Return the classes [M, targets] that images `rows` [M] go to next; ANY for no choice."""
        if not wanted.targets:
            return torch.full((len(rows), 1), ANY, device=rows.device)
        gaps = self.gaps[rows]
        chosen = gaps.topk(wanted.targets, dim=1, largest=False).indices
        if wanted.explore:
            kept = chosen[:, : wanted.targets - 1]
            fewest = self.tried[rows].masked_fill(gaps.isinf(), math.inf)
            fewest = fewest.scatter(1, kept, math.inf)
            least = fewest == fewest.amin(1, keepdim=True)
            other = gaps.masked_fill(~least, math.inf).argmin(1, keepdim=True)
            chosen = torch.cat([kept, other], dim=1)
        return chosen


class Strongest(TensorAttack):
    """Search until an image is adversarial or its budget of passes is spent.

    Cheap runs of APGD come first, then one against every class, then short runs from very different
    points and long ones, on the margin, on the cross entropy and on DLR, against the classes that
    came nearest so far; at last Square. Where gradients do not lower the margin, Square gets the
    whole rest.
    """

    parts = PARTS

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        budget: int = 2000,
        targeted: bool = False,
    ) -> None:
        """budget: passes per image, forward and backward ones counted alike (AttackBench)."""
        super().__init__(estimator, targeted)
        self.norm = as_norm(norm)
        if self.norm not in NORMS:
            raise InputError(f'attack: strongest expected the norm "inf", 2 or 1, got {norm!r}')
        self.eps = as_budget(eps)
        self.budget = as_count(budget, "budget", 1)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Search; images that are wrong already (or the target) stay unchanged."""
        history = self._begun(x, y)
        squares = int(SQUARE_SHARE * self.budget)
        targets = 0 if self.targeted else self.estimator.nb_classes - 1
        plan = rounds(self.budget - 1, targets, self.estimator.draws, squares)
        left = (history.margin >= 0).nonzero().flatten()
        masked, hidden = left[:0], torch.zeros_like(history.part, dtype=torch.bool)
        for n, wanted in enumerate(plan):
            if not len(left):
                break
            left = self._round(history, left, wanted, streams)
            if n == 0:
                # the first round begins at the image: it moves nothing without a gradient
                hidden = history.first - history.margin <= MASKED * history.first
            if n == len(OPENING) - 1:
                left, masked = left[~hidden[left]], left[hidden[left]]
        self._squares(history, torch.cat([left, masked]).sort().values, streams)
        spent = history.spent.cpu().numpy().astype(np.float64)
        self.found = Found(history.part.cpu().numpy().astype(np.int16), spent)
        return history.near

    def _begun(self, x: Tensor, y: Tensor) -> History:
        """Return what one forward pass says of images x [N, C, H, W]."""
        self.estimator.forwards += len(x)
        logits = self.estimator.logits(self.estimator.defended(x))
        margin = self.logit_margin(logits, y)
        spent = torch.zeros(len(x), 2, dtype=torch.int64, device=x.device)
        spent[:, 1] = 1
        tried, part = torch.zeros_like(logits), torch.full_like(y, -1)
        gaps = self._gaps(logits, y)
        return History(x, y, x.clone(), margin, margin.clone(), gaps, tried, part, spent)

    def _gaps(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return by how much the label's logit exceeds each class [N, classes]; inf at itself."""
        gaps = logits.gather(1, y[:, None]) - logits
        return gaps.masked_fill_(one_hot(y, logits.shape[1]).bool(), math.inf)

    def _round(self, history: History, left: Tensor, wanted: Round, streams: Streams) -> Tensor:
        """Run a round on the images `left` [M]; return those that still stand."""
        runs = Runs(self.estimator, self.norm, self.eps, wanted.loss, wanted.steps, self.targeted)
        # side by side as many as the memory holds
        for some in left.split(max(1, self.estimator.batch // wanted.runs)):
            classes = history.classes(some, wanted)
            if wanted.targets:
                history.tried[some[:, None], classes] += wanted.starts
            for to in classes.repeat(1, wanted.starts).split(SIDE_BY_SIDE, dim=1):
                standing = history.margin[some] >= 0
                if bool(standing.any()):
                    self._runs(history, runs, some[standing], to[standing], wanted, streams)
        return left[history.margin[left] >= 0]

    def _runs(
        self,
        history: History,
        runs: Runs,
        some: Tensor,
        to: Tensor,
        wanted: Round,
        streams: Streams,
    ) -> None:
        """Run the images `some` [M] from one start for each class to go to, `to` [M, copies]."""
        copies = to.shape[1]
        x, y = (t[some].repeat_interleave(copies, 0) for t in (history.x, history.y))
        start = runs.points(wanted.start, x, [streams[i] for i in some.tolist()])
        climbed = runs.climb(x, torch.stack([y, to.flatten()], dim=1), start, copies)
        gradients = climbed.used + (DIVERSE_STEPS if wanted.start == "diverse" else 0)
        history.spent[some, 0] += self.estimator.draws * gradients.view(-1, copies).sum(1)
        images = into_ball(x, climbed.images, self.eps, self.norm)
        self._noted(history, some, images, wanted.name)

    def _noted(self, history: History, some: Tensor, images: Tensor, part: str) -> None:
        """Keep the best of the points [M * copies, C, H, W] of the images `some` [M]."""
        copies = len(images) // len(some)
        y = history.y[some].repeat_interleave(copies)
        self.estimator.forwards += len(images)
        history.spent[some, 1] += copies
        logits = self.estimator.logits(self.estimator.defended(images))
        margin, best = self.logit_margin(logits, y).view(-1, copies).min(1)
        gaps = self._gaps(logits, y).view(len(some), copies, -1).amin(1)
        history.gaps[some] = torch.minimum(history.gaps[some], gaps)
        better = margin < history.margin[some]
        chosen = torch.arange(len(some), device=y.device) * copies + best
        won = some[better]
        history.near[won], history.margin[won] = images[chosen[better]], margin[better]
        history.part[some[margin < 0]] = self.parts.index(part)

    def _squares(self, history: History, left: Tensor, streams: Streams) -> None:
        """Spend the rest on Square, a pass a query; images whose gradients fail have most left."""
        costs = torch.tensor([GRADIENT_PASSES, 1], device=left.device)
        # the last pass looks at the result
        rest = self.budget - (history.spent[left] * costs).sum(1) - 1
        for queries in rest[rest > 0].unique().tolist():
            some = left[rest == queries]
            square = Square(
                self.estimator, self.eps, queries, targeted=self.targeted, norm=self.norm
            )
            x, y = history.x[some], history.y[some]
            images = square.attack(x, y, [streams[i] for i in some.tolist()])
            history.spent[some, 1] += square.used
            self._noted(history, some, into_ball(x, images, self.eps, self.norm), "square")
