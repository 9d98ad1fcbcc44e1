"""DeepFool: step after step to the nearest boundary of the linearised network."""

from __future__ import annotations

import math

import torch

from benchmark.attacks.steps.checks import as_budget, as_count
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import LEAD, Streams, TensorAttack
from estimators.classifier import Classifier

# halvings of the way back to the image: the distance is found to a thousandth
HALVINGS = 10


class DeepFool(TensorAttack):
    """DeepFool in L2 (Moosavi-Dezfooli et al. 2016, Algorithm 2), for images that are right.

    ART's class does not look at the labels: it drives an image that is wrong already away from
    its wrong class, often into the right one. Here the true class is what an image is driven
    from. The overshoot is part of every step, as in the authors' code, and the point that is
    found is drawn back towards the image by halving, as long as it stays adversarial.
    """

    def __init__(self, estimator: Classifier, max_iter: int = 50, overshoot: float = 0.02) -> None:
        """overshoot: how much longer a step is than to the boundary."""
        super().__init__(estimator)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.overshoot = as_budget(overshoot, "overshoot")

    def attack(self, x: torch.Tensor, y: torch.Tensor, streams: Streams) -> torch.Tensor:
        """Images that are wrong already, or that never turn, come back as they are."""
        found = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        here = x[left]
        for _ in range(self.max_iter):
            if not len(left):
                break
            step = self._to_boundary(here, y[left]) * (1 + self.overshoot)
            here = (here + step).clamp_(0, 1)
            done = self._clear(here, y[left])
            if done.any():
                found[left[done]] = self._nearer(x[left[done]], here[done], y[left[done]])
            left, here = left[~done], here[~done]
        return found

    def _to_boundary(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The shortest step [N, C, H, W] to another class, if the logits were linear."""
        logits, gradients = self._jacobian(x)
        rows = torch.arange(len(x), device=x.device)
        away = gradients - gradients[rows, y][:, None]
        gap = logits[rows, y][:, None] - logits
        length = away.flatten(2).norm(dim=2).clamp_min(1e-12)
        own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
        distance = (gap.abs() / length).masked_fill(own, math.inf)
        nearest = distance.argmin(1)
        # a point on the boundary itself must move, too
        size = distance[rows, nearest].clamp_min(1e-6) / length[rows, nearest]
        step: torch.Tensor = each(size) * away[rows, nearest]
        return step

    def _jacobian(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [N, classes] and their gradients [N, classes, C, H, W], mean over draws."""
        classes = self.estimator.nb_classes
        values, gradients = [], []
        for leaf, logits in self.estimator.passes(x):
            self.estimator.gradients += len(x) * (classes - 1)
            values.append(logits.detach())
            one = [
                torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0]
                for k in range(classes)
            ]
            gradients.append(torch.stack(one, 1))
        return torch.stack(values).mean(0), torch.stack(gradients).mean(0)

    def _clear(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Which images are adversarial by more than rounding [N]."""
        self.estimator.forwards += len(x)
        logits = self.estimator.logits(self.estimator.defended(x))
        clear: torch.Tensor = self.lead(logits, y) < -LEAD * logits.abs().amax(1)
        return clear

    def _nearer(self, x: torch.Tensor, found: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        low, high = torch.zeros_like(x[:, :1, :1, :1]), torch.ones_like(x[:, :1, :1, :1])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            wrong = each(self._clear(x + middle * (found - x), y))
            low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
        return torch.where(high < 1, x + high * (found - x), found).clamp_(0, 1)
