"""Sigma-zero: few changed values by gradients of a smooth count of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.steps.checks import as_budget, as_count, as_positive
from benchmark.attacks.steps.excess import excess_gradient
from benchmark.attacks.steps.nearer import sparser
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier

# Adam as the authors have it, and their lowest rate as a share of the first
MOMENTUM, SQUARES, TINY = 0.9, 0.999, 1e-8
LOWEST_RATE = 0.1


class SigmaZero(TensorAttack):
    """Sigma-zero in L0 (Cina et al. 2025, Algorithm 1), untargeted.

    Minimise the margin above zero plus the mean of d^2 / (d^2 + sigma) over the values d of the
    perturbation, a smooth share of changed values. Adam follows the gradient, scaled to a largest
    value of 1. After each step values below a threshold become zero; the threshold rises while the
    point is adversarial and falls while it is not. The adversarial point with the fewest changed
    values counts.

    Differences from the authors' code: a tie does not count as success (`MIN_MARGIN`). At the end
    `nearer.sparser` looks for fewer values, at the cost of one gradient and some forward passes.
    """

    def __init__(
        self,
        estimator: Classifier,
        steps: int = 1000,
        eta: float = 1.0,
        sigma: float = 1e-3,
        tau: float = 0.3,
        tau_step: float = 0.01,
    ) -> None:
        """steps: gradients. eta: Adam's first rate; it falls to a tenth by a cosine.

        sigma: smoothing of the count. tau: first threshold, a change of a value. tau_step: change
        of the threshold in a step, as a share of the rate.
        """
        super().__init__(estimator)
        self.steps = as_count(steps, "steps", 1)
        self.eta = as_positive(eta, "eta")
        self.sigma = as_positive(sigma, "sigma")
        self.tau = as_budget(tau, "tau")
        self.tau_step = as_budget(tau_step, "tau_step")

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Return the sparsest adversarial points; wrong images, and others without, unchanged."""
        result = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        if len(left):
            best, found = self._search(x[left], y[left])
            if bool(found.any()):
                best[found] = sparser(self, x[left][found], best[found], y[left][found])
            result[left] = best
        return result

    def _search(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sparsest adversarial points, and for which images [N] there is one."""
        own = functional.one_hot(y, self.estimator.nb_classes).bool()
        best, fewest = x.clone(), torch.full_like(x[:, 0, 0, 0], math.inf)
        change, threshold = torch.zeros_like(x), torch.full_like(fewest, self.tau)
        mean, square = torch.zeros_like(x), torch.zeros_like(x)
        rate = self.eta
        for step in range(1, self.steps + 1):
            x_adv = x + change
            excess, gradient = excess_gradient(self, x_adv, own, _above_zero)
            hit, count = excess <= 0, (change != 0).flatten(1).sum(1)
            closer = hit & (count < fewest)
            fewest = torch.where(closer, count.to(x.dtype), fewest)
            best = torch.where(each(closer), x_adv, best)
            if step == self.steps:
                break
            gradient = gradient + self._count_gradient(change)
            gradient /= each(gradient.abs().flatten(1).amax(1).clamp_min(1e-12))
            mean.lerp_(gradient, 1 - MOMENTUM)
            square.mul_(SQUARES).addcmul_(gradient, gradient, value=1 - SQUARES)
            scale = (square / (1 - SQUARES**step)).sqrt_().add_(TINY)
            change = change.addcdiv(mean, scale, value=-rate / (1 - MOMENTUM**step))
            change = (x + change).clamp_(0, 1).sub_(x)
            cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
            rate = self.eta * (LOWEST_RATE + (1 - LOWEST_RATE) * cosine)
            moved = self.tau_step * rate * torch.where(hit, 1.0, -1.0)
            threshold = (threshold + moved).clamp_(0, 1)
            change = change.masked_fill(change.abs() < each(threshold), 0.0)
        return best, fewest.isfinite()

    def _count_gradient(self, change: Tensor) -> Tensor:
        """Return the gradient of the smooth share of changed values (equation 3)."""
        squared = change.square()
        share = 2 * self.sigma * change / (squared + self.sigma).square()
        return share / change[0].numel()


def _above_zero(excess: Tensor, logits: Tensor) -> Tensor:
    """Return the summed margin above zero."""
    return excess.clamp_min(0).sum()
