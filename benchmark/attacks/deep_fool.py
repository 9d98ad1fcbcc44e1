"""DeepFool: repeated steps to the nearest boundary of the linearised network."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.attacks.steps.checks import as_budget, as_count
from benchmark.attacks.steps.jacobian import jacobian
from benchmark.attacks.steps.nearer import surely_adversarial, towards
from benchmark.attacks.steps.projections import each, lengths
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier

# a step along a gradient that leads to no adversarial image, as a change of each pixel
UNREACHED = 0.01


class DeepFool(TensorAttack):
    """DeepFool in L2 (Moosavi-Dezfooli et al. 2016, Algorithm 2), for correctly classified images.

    ART's class ignores the labels: it moves a misclassified image away from its wrong class, often
    into the right one. Here an image leaves its true class. The overshoot is part of every step, as
    in the authors' code. At the end a bisection moves the adversarial point back to the image.
    """

    def __init__(self, estimator: Classifier, max_iter: int = 50, overshoot: float = 0.02) -> None:
        """max_iter: steps at most. overshoot: by what share a step passes the boundary."""
        super().__init__(estimator)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.overshoot = as_budget(overshoot, "overshoot")

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Return adversarial images; those that are wrong already, or never so, are unchanged."""
        result = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        x_adv = x[left]
        for _ in range(self.max_iter):
            if not len(left):
                break
            step = self._to_boundary(x_adv, y[left]) * (1 + self.overshoot)
            x_adv = (x_adv + step).clamp_(0, 1)
            done = surely_adversarial(self, x_adv, y[left])
            if done.any():
                result[left[done]] = towards(self, x[left[done]], x_adv[done], y[left[done]])
            left, x_adv = left[~done], x_adv[~done]
        return result

    def _to_boundary(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the shortest step [N, C, H, W] to another class, if the logits were linear."""
        logits, gradients = jacobian(self.estimator, x)
        rows = torch.arange(len(x), device=x.device)
        away = gradients - gradients[rows, y][:, None]
        gap = logits[rows, y][:, None] - logits
        length = away.flatten(2).norm(dim=2).clamp_min(1e-12)
        own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
        distance = (gap.abs() / length).masked_fill(own, math.inf)
        nearest = distance.argmin(1)
        # a point on the boundary must move, too
        size = distance[rows, nearest].clamp_min(1e-6) / length[rows, nearest]
        step = each(size) * away[rows, nearest]
        if self.estimator.backward_mode.past_squashing:
            reach = self.reach(x, y, step)
            reach = reach.where(reach.isfinite(), UNREACHED * math.sqrt(x[0].numel()))
            step = each(reach) * step / lengths(step).clamp_min(1e-12)
        return step
