"""Auto-PGD: projected gradient descent that chooses its own steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.steps.checks import as_budget, as_count, as_two_or_inf
from benchmark.attacks.steps.projections import each, into_ball, lengths
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack, uniform
from estimators.classifier import Classifier
from estimators.errors import InputError

# the losses, and ART's names for them
LOSSES = {"ce": "cross_entropy", "dlr": "difference_logits_ratio"}
# Algorithm 1 of the paper: momentum, and the share of steps that must increase the loss
MOMENTUM, GAIN = 0.75, 0.75


class AutoPGD(TensorAttack):
    """APGD (Croce and Hein 2020, Algorithm 1) in the Linf or the L2 ball.

    ART's class returns its last point, even where an earlier one was adversarial; has no DLR loss
    for fewer than three classes; compares losses the wrong way round in the first step of a
    targeted attack; uses the untargeted ratio for targets, which is constant where the target has
    the third largest logit. Here an image leaves the batch with its first adversarial point.
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
        self.norm = as_two_or_inf(norm, "APGD")
        if loss not in LOSSES:
            raise InputError(f"attack: expected loss to be ce or dlr, got {loss!r}")
        self.loss = loss
        self.eps = as_budget(eps)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.nb_random_init = as_count(nb_random_init, "nb_random_init", 0)
        self.eot_iter = as_count(eot_iter, "eot_iter", 1)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run from each start, on images that are not adversarial yet; others stay unchanged."""
        x_adv = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        for _ in range(max(1, self.nb_random_init)):
            if not len(left):
                break
            centre = x[left]
            start = centre
            if self.nb_random_init:
                noise = uniform([streams[i] for i in left.tolist()], x.shape[1:], x.device)
                noise = noise if self.norm == math.inf else unit(noise)
                start = self._within(centre, centre + self.eps * noise)
            image, hit = self._run(centre, y[left], start)
            x_adv[left] = image
            left = left[~hit]
        return x_adv

    def _run(self, x: Tensor, y: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Return an adversarial point, or the one with the largest loss; and where it is which."""
        result, hits = start.clone(), torch.zeros_like(y, dtype=torch.bool)
        x_adv, alive = start, torch.arange(len(x), device=x.device)
        loss, gradient, hit = self._evaluate(x_adv, y)
        best, best_loss, best_gradient = x_adv, loss, gradient
        previous, step = x_adv, torch.full_like(loss, 2 * self.eps)
        increases, halved = torch.zeros_like(loss), torch.zeros_like(hit)
        checked_loss, last_check = best_loss, 0
        checks = checkpoints(self.max_iter)
        for k in range(1, self.max_iter + 1):
            result[alive[hit]], hits[alive[hit]] = x_adv[hit], True
            if hit.any():
                go = ~hit
                alive, x_adv, previous, loss, gradient, step = (
                    t[go] for t in (alive, x_adv, previous, loss, gradient, step)
                )
                best, best_loss, best_gradient = (t[go] for t in (best, best_loss, best_gradient))
                increases, halved, checked_loss = (t[go] for t in (increases, halved, checked_loss))
            if not len(alive) or k == self.max_iter:
                break
            centre = x[alive]
            direction = gradient.sign() if self.norm == math.inf else unit(gradient)
            x_next = self._within(centre, x_adv + each(step) * direction)
            if k > 1:
                inertia = (1 - MOMENTUM) * (x_adv - previous)
                x_next = self._within(centre, x_adv + MOMENTUM * (x_next - x_adv) + inertia)
            previous, x_adv, previous_loss = x_adv, x_next, loss
            loss, gradient, hit = self._evaluate(x_adv, y[alive])
            increases += loss > previous_loss
            better = loss > best_loss
            best_loss = torch.where(better, loss, best_loss)
            best = torch.where(each(better), x_adv, best)
            best_gradient = torch.where(each(better), gradient, best_gradient)
            if k in checks:
                # conditions 1 and 2 of section 3.2.1
                few = increases < GAIN * (k - last_check)
                halve = few | (~halved & (checked_loss >= best_loss))
                step = torch.where(halve, step / 2, step)
                back = each(halve & ~hit)
                x_adv = torch.where(back, best, x_adv)
                previous = torch.where(back, best, previous)
                gradient = torch.where(back, best_gradient, gradient)
                loss = torch.where(back.flatten(), best_loss, loss)
                halved, checked_loss, last_check = halve, best_loss, k
                increases = torch.zeros_like(increases)
        result[alive] = best
        return result, hits

    def _evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss [N] to increase, its gradient, and success [N]; means over the draws.

        The loss of an image with NaN or infinite outputs is -inf: never the best of several.
        """
        loss, gradient, margin = self._passes(x, y)
        loss = loss.nan_to_num_(nan=-math.inf, posinf=-math.inf, neginf=-math.inf)

        def again(points: Tensor) -> Tensor:
            return self._passes(points, y)[1]

        return loss, self.estimator.finite(gradient, x, again, steps_anyway=True), margin < 0

    def _passes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, its gradient and the margin as torch computes them."""
        losses, gradients, margins = [], [], []
        for _ in range(math.ceil(self.eot_iter / self.estimator.draws)):
            for leaf, logits in self.estimator.passes(x):
                loss = self._loss(logits, y)
                gradients.append(torch.autograd.grad(loss.sum(), leaf)[0])
                losses.append(loss.detach())
                margins.append(self.logit_margin(logits.detach(), y))
        loss, gradient, margin = (torch.stack(t).mean(0) for t in (losses, gradients, margins))
        return loss, gradient.contiguous(), margin

    def _loss(self, logits: Tensor, y: Tensor) -> Tensor:
        if self.loss == "ce" and not self.estimator.backward_mode.past_squashing:
            loss = functional.cross_entropy(logits, y, reduction="none")
            return -loss if self.targeted else loss
        margin = self.logit_margin(logits, y)
        if self.loss == "ce":
            return -margin
        top = logits.topk(min(4, logits.shape[1]), dim=1).values
        if top.shape[1] < (4 if self.targeted else 3):
            # with fewer logits the ratio may be constant: numerator and denominator are equal
            return -margin
        other = (top[:, 2] + top[:, 3]) / 2 if self.targeted else top[:, 2]
        return -margin / (top[:, 0] - other + 1e-12)

    def _within(self, x: Tensor, moved: Tensor) -> Tensor:
        return into_ball(x, moved, self.eps, self.norm)


def unit(change: Tensor) -> Tensor:
    """Return each change [N, C, H, W] with the L2 norm 1."""
    return change / (lengths(change) + 1e-12)


def checkpoints(max_iter: int) -> set[int]:
    """Return the steps after which the step size may be halved (section 3.2.1)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return {math.ceil(round(share * max_iter, 9)) for share in shares[1:]}
