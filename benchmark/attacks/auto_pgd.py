"""Auto-PGD: projected gradient descent that chooses its own steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.apgd_l1 import climb_l1, l1_start
from benchmark.attacks.steps.ascent import Climbed
from benchmark.attacks.steps.checks import as_budget, as_count, as_norm
from benchmark.attacks.steps.momentum import MomentumAscent, unit
from benchmark.attacks.steps.projections import into_ball
from benchmark.attacks.steps.ratios import DLR_CLASSES, TARGETED_CLASSES, dlr, targeted_dlr
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack, uniform
from estimators.classifier import Classifier
from estimators.errors import InputError

# the losses, and ART's names for them
LOSSES = {"ce": "cross_entropy", "dlr": "difference_logits_ratio"}
NORMS = (1.0, 2.0, math.inf)


class AutoPGD(TensorAttack):
    """APGD in the Linf or L2 ball (Croce and Hein 2020, Algorithm 1), or in L1 (see `apgd_l1`).

    ART's class returns its last point, even where an earlier one was adversarial; has no DLR loss
    for fewer than three classes; compares losses the wrong way round in the first step of a
    targeted attack; uses the untargeted ratio for targets, which is constant where the target has
    the third largest logit. Here an image leaves the batch with its first adversarial point.

    loss_used: `ce`, `dlr`, or `margin` where there are too few classes for the ratio.
    used: int64 [N] after `attack`: gradients of each image, draws not counted.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        max_iter: int = 100,
        loss: str = "ce",
        nb_random_init: int = 1,
        targeted: bool = False,
        eot_iter: int = 1,
    ) -> None:
        """loss: `ce` (cross entropy) or `dlr` (ratio of equations 6 and 7). max_iter: per run.

        nb_random_init: runs from random points; 0 for one from the image itself.
        eot_iter: passes per gradient at least, for defences that draw; the classifier's own draws
            count among them.
        """
        super().__init__(estimator, targeted)
        self.norm = as_norm(norm)
        if self.norm not in NORMS:
            raise InputError(f'attack: APGD expected the norm "inf", 2 or 1, got {norm!r}')
        if loss not in LOSSES:
            raise InputError(f"attack: expected loss to be ce or dlr, got {loss!r}")
        self.loss = loss
        self.eps = as_budget(eps)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.nb_random_init = as_count(nb_random_init, "nb_random_init", 0)
        self.eot_iter = as_count(eot_iter, "eot_iter", 1)
        fewest = TARGETED_CLASSES if targeted else DLR_CLASSES
        self.loss_used = "margin" if loss == "dlr" and estimator.nb_classes < fewest else loss
        self.used = torch.zeros(0, dtype=torch.int64)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run from each start, on images that are not adversarial yet; others stay unchanged."""
        x_adv = x.clone()
        self.used = torch.zeros_like(y)
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        for _ in range(max(1, self.nb_random_init)):
            if not len(left):
                break
            centre = x[left]
            start = self.starts(centre, [streams[i] for i in left.tolist()], 1)
            run = self.climb(centre, y[left], start)
            x_adv[left] = run.images
            self.used[left] += run.used
            left = left[~run.hits]
        return x_adv

    def spent(self) -> Tensor:
        """Return the gradients and forward passes of each image, int64 [N, 2]."""
        draws = self.estimator.draws * math.ceil(self.eot_iter / self.estimator.draws)
        return torch.stack([draws * self.used, torch.ones_like(self.used)], dim=1)

    def starts(self, x: Tensor, streams: Streams, copies: int) -> Tensor:
        """Return random points [N * copies, C, H, W] in the ball around images x [N, C, H, W].

        So many copies of an image stand in succession, each with a point of its own; without
        `nb_random_init` it is the image itself.
        """
        centre = x.repeat_interleave(copies, 0) if copies > 1 else x
        if not self.nb_random_init:
            return centre
        if self.norm == 1:
            return l1_start(centre, streams, copies, self.eps)
        noise = uniform(streams, torch.Size((copies, *x.shape[1:])), x.device).flatten(0, 1)
        noise = noise if self.norm == math.inf else unit(noise)
        return into_ball(centre, centre + self.eps * noise, self.eps, self.norm)

    def climb(self, x: Tensor, y: Tensor, start: Tensor, copies: int = 1) -> Climbed:
        """Run once from a start [N, C, H, W]; see `Ascent.run`."""
        if self.norm == 1:
            return climb_l1(self.evaluate, self.eps, self.max_iter, x, y, start, copies)
        ascent = MomentumAscent(self.evaluate, self.norm, self.eps, self.max_iter)
        return ascent.run(x, y, start, copies)

    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss [N] to increase, its gradient, and success [N]; means over the draws.

        The loss of an image with NaN or infinite outputs is -inf: never the best of several.
        """
        loss, gradient, margin = self._passes(x, y)
        loss = loss.nan_to_num_(nan=-math.inf, posinf=-math.inf, neginf=-math.inf)

        def again(points: Tensor) -> Tensor:
            return self._passes(points, y)[1]

        return loss, self.estimator.finite(gradient, x, again, steps_anyway=True), margin < 0

    def loss_and_margin(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss [N] of logits [N, classes], and their margin; below zero is success."""
        if self.loss == "ce" and not self.estimator.backward_mode.past_squashing:
            loss = functional.cross_entropy(logits, y, reduction="none")
            return (-loss if self.targeted else loss), self.logit_margin(logits.detach(), y)
        margin = self.logit_margin(logits, y)
        if self.loss == "ce":
            return -margin, margin
        return (targeted_dlr if self.targeted else dlr)(logits, margin), margin

    def _passes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, its gradient and the margin as torch computes them."""
        parts = []
        for _ in range(math.ceil(self.eot_iter / self.estimator.draws)):
            for leaf, logits in self.estimator.passes(x):
                loss, margin = self.loss_and_margin(logits, y)
                gradient = torch.autograd.grad(loss.sum(), leaf)[0]
                parts.append((loss.detach(), gradient, margin.detach()))
        if len(parts) == 1:
            loss, gradient, margin = parts[0]
        else:
            means = (torch.stack(part).mean(0) for part in zip(*parts, strict=True))
            loss, gradient, margin = means
        return loss, gradient.contiguous(), margin
