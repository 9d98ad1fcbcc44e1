"""DDN: the direction of the gradient and the norm of the step, each for itself."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.steps.checks import as_count, as_positive
from benchmark.attacks.steps.excess import away, excess_gradient
from benchmark.attacks.steps.nearer import towards
from benchmark.attacks.steps.projections import each, lengths
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError

# the last of the step sizes, which begin at 1 and follow a cosine (section 3)
LAST_STEP = 0.01
TINY = 1e-12


class DecoupledDirection(TensorAttack):
    """Decoupled direction and norm in L2 (Rony et al. 2019, Algorithm 1).

    A step follows the gradient of the cross entropy, taken of the odds, which give its direction
    where it saturates (`steps.excess.away`). Then the perturbation gets a length of its
    own: by gamma shorter where it is adversarial, by gamma longer where it is not. The nearest
    adversarial point counts.

    Differences from the authors' code: values are rounded to grey levels only on request (`levels`:
    256 there). A tie does not count as success (`MIN_MARGIN`). At the end a bisection of ten
    forward passes moves the point towards the image.
    """

    def __init__(
        self,
        estimator: Classifier,
        steps: int = 100,
        gamma: float = 0.05,
        init_norm: float = 1.0,
        levels: int | None = None,
        targeted: bool = False,
    ) -> None:
        """steps: gradients. gamma: by what share the length changes in a step, below 1.

        init_norm: first length, pixels in [0, 1]. levels: number of grey levels that a value is
        rounded to; None: not rounded.
        """
        super().__init__(estimator, targeted)
        self.steps = as_count(steps, "steps", 1)
        self.gamma = as_positive(gamma, "gamma")
        if self.gamma >= 1:
            raise InputError(f"attack: expected gamma to be below 1, got {gamma!r}")
        self.init_norm = as_positive(init_norm, "init_norm")
        self.levels = None if levels is None else as_count(levels, "levels", 2)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Return the nearest adversarial points; wrong images, and others without, unchanged."""
        result = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        if len(left):
            drawing = [streams[i] for i in left.tolist()]
            best, found = self._search(x[left], y[left], drawing)
            if self.levels is None and bool(found.any()):
                best[found] = towards(self, x[left][found], best[found], y[left][found])
            result[left] = best
        return result

    def _search(self, x: Tensor, y: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        """Return the nearest adversarial points, and for which images [N] there is one."""
        own = functional.one_hot(y, self.estimator.nb_classes).bool()
        objective = away(self, y)
        farthest = lengths(torch.maximum(x, 1 - x)).flatten()
        best, nearest = x.clone(), torch.full_like(farthest, math.inf)
        length, x_adv = torch.full_like(farthest, self.init_norm), x
        for step in range(self.steps):
            excess, gradient = excess_gradient(self, x_adv, own, objective)
            hit, change = excess <= 0, x_adv - x
            distance = lengths(change).flatten()
            closer = hit & (distance < nearest)
            nearest = torch.where(closer, distance, nearest)
            best = torch.where(each(closer), x_adv, best)
            if step == self.steps - 1:
                break
            pace = 0.5 * (1 + math.cos(math.pi * step / self.steps)) * (1 - LAST_STEP) + LAST_STEP
            change = change - pace * self._unit(gradient, ~hit, streams)
            length = length * torch.where(hit, 1 - self.gamma, 1 + self.gamma)
            length = length.minimum(farthest)
            x_adv = x + change * each(length) / lengths(change).clamp_min(TINY)
            x_adv = self._rounded(x_adv.clamp_(0, 1))
        return best, nearest.isfinite()

    def _unit(self, gradient: Tensor, standing: Tensor, streams: Streams) -> Tensor:
        """Return gradients of length 1; where they vanish on a standing image, a random one."""
        size = lengths(gradient)
        lost = (size.flatten() < TINY) & standing
        for i in lost.nonzero().flatten().tolist():
            drawn = streams[i].standard_normal(tuple(gradient.shape[1:]), dtype=np.float32)
            gradient[i] = torch.from_numpy(drawn).to(gradient.device)
        if bool(lost.any()):
            size = lengths(gradient)
        return gradient / size.clamp_min(TINY)

    def _rounded(self, x: Tensor) -> Tensor:
        return x if self.levels is None else (x * (self.levels - 1)).round_() / (self.levels - 1)
