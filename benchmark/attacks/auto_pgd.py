"""Auto-PGD: projected gradient descent that chooses its own steps."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from benchmark.attacks.steps.checks import as_budget, as_count, as_two_or_inf
from benchmark.attacks.steps.projections import each, into_ball, lengths
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack, uniform
from estimators.classifier import Classifier
from estimators.errors import InputError

LOSSES = ("ce", "dlr")
# Algorithm 1 of the paper: momentum, and the share of steps that must gain
MOMENTUM, GAIN = 0.75, 0.75


class AutoPGD(TensorAttack):
    """APGD (Croce and Hein 2020, Algorithm 1) in the Linf or the L2 ball.

    ART's class returns its last point, even where an earlier one was adversarial; cannot compute
    the DLR loss for fewer than three classes; compares losses the wrong way round in the first
    step of a targeted attack; has the untargeted ratio for targets, too, which is constant where
    the target comes third; and asks a copy of the classifier, which counts nothing. Here an
    adversarial point is kept once it is met, and the image leaves.
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
    ) -> None:
        """loss: `ce` (cross entropy) or `dlr` (difference of logits ratio, equations 6 and 7).

        nb_random_init: runs from random points; 0 for one run from the image itself. max_iter:
        gradients of each run. Raises InputError for parameters out of range.
        """
        super().__init__(estimator, targeted)
        self.norm = as_two_or_inf(norm, "APGD")
        if loss not in LOSSES:
            raise InputError(f"attack: loss must be ce or dlr, found {loss!r}")
        self.loss = loss
        self.eps = as_budget(eps)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.nb_random_init = as_count(nb_random_init, "nb_random_init", 0)

    def attack(self, x: torch.Tensor, y: torch.Tensor, streams: Streams) -> torch.Tensor:
        """All runs; each one only on images that still stand, wrong ones stay as they are."""
        found = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        for _ in range(max(1, self.nb_random_init)):
            if not len(left):
                break
            centre = x[left]
            start = centre
            if self.nb_random_init:
                noise = uniform([streams[i] for i in left.tolist()], x.shape[1:], x.device)
                start = self._within(centre, centre + self._scaled(noise))
            image, hit = self._run(centre, y[left], start)
            found[left] = image
            left = left[~hit]
        return found

    def _run(
        self, x: torch.Tensor, y: torch.Tensor, start: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One run: an adversarial point, or the one with the largest loss; and which they are."""
        adversarial, hits = start.clone(), torch.zeros_like(y, dtype=torch.bool)
        here, alive = start, torch.arange(len(x), device=x.device)
        loss, gradient, hit = self._look(here, y)
        best, most, steepest = here, loss, gradient
        before, step = here, torch.full_like(loss, 2 * self.eps)
        gained, kept = torch.zeros_like(loss), torch.zeros_like(hit)
        most_then = most
        checks = checkpoints(self.max_iter)
        last = 0
        for k in range(1, self.max_iter + 1):
            adversarial[alive[hit]], hits[alive[hit]] = here[hit], True
            if hit.any():
                go = ~hit
                alive, here, before, loss, gradient = (
                    t[go] for t in (alive, here, before, loss, gradient)
                )
                best, most, steepest, step = (t[go] for t in (best, most, steepest, step))
                gained, kept, most_then = (t[go] for t in (gained, kept, most_then))
            if not len(alive) or k == self.max_iter:
                break
            centre = x[alive]
            ahead = self._within(centre, here + each(step) * self._direction(gradient))
            if k > 1:
                inertia = (1 - MOMENTUM) * (here - before)
                ahead = self._within(centre, here + MOMENTUM * (ahead - here) + inertia)
            before, here, was = here, ahead, loss
            loss, gradient, hit = self._look(here, y[alive])
            gained += loss > was
            better = loss > most
            most = torch.where(better, loss, most)
            best = torch.where(each(better), here, best)
            steepest = torch.where(each(better), gradient, steepest)
            if k in checks:
                # conditions 1 and 2 of section 3.2.1
                halve = (gained < GAIN * (k - last)) | (~kept & (most_then >= most))
                step = torch.where(halve, step / 2, step)
                back = each(halve & ~hit)
                here, before = torch.where(back, best, here), torch.where(back, best, before)
                gradient = torch.where(back, steepest, gradient)
                loss = torch.where(back.flatten(), most, loss)
                kept, most_then, last = halve, most, k
                gained = torch.zeros_like(gained)
        adversarial[alive] = best
        return adversarial, hits

    def _look(
        self, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss [N] that is to grow, its gradient [N, C, H, W], and success [N], mean over draws."""
        losses, gradients, leads = [], [], []
        for leaf, logits in self.estimator.passes(x):
            loss = self._loss(logits, y)
            gradients.append(torch.autograd.grad(loss.sum(), leaf)[0])
            losses.append(loss.detach())
            leads.append(self.lead(logits.detach(), y))
        loss, gradient, lead = (torch.stack(t).mean(0) for t in (losses, gradients, leads))
        return loss, gradient.contiguous().nan_to_num_(), lead < 0

    def _loss(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.loss == "ce":
            loss = functional.cross_entropy(logits, y, reduction="none")
            return -loss if self.targeted else loss
        lead = self.lead(logits, y)
        top = logits.topk(min(4, logits.shape[1]), dim=1).values
        if top.shape[1] < (4 if self.targeted else 3):
            # with fewer logits the ratio may be constant: what is below the line is what is above
            return -lead
        below = (top[:, 2] + top[:, 3]) / 2 if self.targeted else top[:, 2]
        return -lead / (top[:, 0] - below + 1e-12)

    def _direction(self, gradient: torch.Tensor) -> torch.Tensor:
        if self.norm == math.inf:
            return gradient.sign()
        return gradient / (lengths(gradient) + 1e-12)

    def _within(self, x: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        return into_ball(x, moved, self.eps, self.norm)

    def _scaled(self, noise: torch.Tensor) -> torch.Tensor:
        return self.eps * (noise if self.norm == math.inf else noise / (lengths(noise) + 1e-12))


def checkpoints(max_iter: int) -> set[int]:
    """The steps at which the pace is judged (section 3.2.1)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return {math.ceil(round(share * max_iter, 9)) for share in shares[1:]}
