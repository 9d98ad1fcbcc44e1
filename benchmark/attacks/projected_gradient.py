"""Projected gradient descent on tensors from start to end, equal to ART's images."""

from __future__ import annotations

import math

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescent

from benchmark.attacks.fast_gradient import loss_gradient
from benchmark.attacks.steps.batches import batches, joined
from benchmark.attacks.steps.checks import (
    FloatArray,
    Labels,
    as_budget,
    as_classifier,
    as_count,
    as_flag,
    as_two_or_inf,
)
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError


class ProjectedGradient(ProjectedGradientDescent):  # type: ignore[misc]
    """PGD (Madry et al. 2018, equation 4 and section 4) in the Linf or the L2 ball.

    Without random starts every image equals, bit for bit, what ART gives for the same classifier
    and batch size: its PyTorch loop for a bare network, its NumPy loop behind a defence.

    ART draws random starts from NumPy's global state; here `generate` takes a generator.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        eps_step: float = 0.1,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = BATCH,
    ) -> None:
        """norm: "inf" or 2. eps, eps_step: budget and length of a step, pixels lie in [0, 1].

        max_iter: steps of each run. num_random_init: runs from random points of the ball; 0 for
        one run from the image itself. Raises InputError for parameters out of range.
        """
        order = as_two_or_inf(norm, "PGD")
        if not as_budget(eps_step, "eps_step") > 0:
            raise InputError("attack: eps_step must be positive")
        super().__init__(
            as_classifier(estimator),
            norm=order,
            eps=as_budget(eps),
            eps_step=as_budget(eps_step, "eps_step"),
            max_iter=as_count(max_iter, "max_iter", 0),
            targeted=as_flag(targeted, "targeted"),
            num_random_init=as_count(num_random_init, "num_random_init", 0),
            batch_size=as_count(batch_size, "batch_size", 1),
            verbose=False,
        )
        # the two loops of ART round L2 norms and directions differently
        self._like_numpy = not estimator.all_framework_preprocessing

    def generate(
        self, x: FloatArray, y: Labels | None = None, rng: np.random.Generator | None = None
    ) -> FloatArray:
        """Adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        rng: where random starts are drawn from; needed if there are any. From the second run on,
        only images that still stand are attacked again.
        """
        parts = batches(self.estimator, x, y, self.batch_size)
        if self.num_random_init and rng is None:
            raise InputError("attack: random starts need a generator (rng)")
        return joined([self._batch(*part, rng) for part in parts])

    def _batch(
        self, x: torch.Tensor, y: torch.Tensor, rng: np.random.Generator | None
    ) -> torch.Tensor:
        if rng is None or not self.num_random_init:
            return self._descend(x, y, x)
        found = x.clone()
        standing = torch.arange(len(x), device=x.device)
        for _ in range(self.num_random_init):
            centre, truth = x[standing], y[standing]
            start = (centre + self._noise(centre, rng)).clamp_(0.0, 1.0)
            found[standing] = self._descend(centre, truth, start)
            labels = self._labels(found[standing])
            standing = standing[(labels != truth) if self.targeted else (labels == truth)]
            if not len(standing):
                break
        return found

    def _descend(self, x: torch.Tensor, y: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """All steps of one run; the order of the roundings is ART's."""
        adversarial = start
        for _ in range(self.max_iter):
            towards = loss_gradient(self.estimator, adversarial, y)
            if self.targeted:
                towards.neg_()
            step = towards.sign_() if self.norm == math.inf else self._unit(towards)
            step.mul_(self.eps_step).add_(adversarial).clamp_(0.0, 1.0).sub_(x)
            if self.norm == math.inf:
                step.clamp_(-self.eps, self.eps)
            else:
                step = self._into_ball(step)
            adversarial = step.add_(x)
        return adversarial

    def _unit(self, gradient: torch.Tensor) -> torch.Tensor:
        """Each image's gradient divided by its L2 norm; zero stays zero."""
        norm = self._norms(gradient)
        if self._like_numpy:
            return gradient.div_(norm.where(norm != 0, math.inf).view(-1, 1, 1, 1))
        return gradient.mul_(norm.where(norm == 0, 1 / norm).view(-1, 1, 1, 1))

    def _into_ball(self, step: torch.Tensor) -> torch.Tensor:
        """Each image's step scaled back into the L2 ball; in float64 as ART does it."""
        norm = self._norms(step).double()
        scale = norm.where(norm == 0, (self.eps / norm).clamp_(max=1.0))
        return (step * scale.view(-1, 1, 1, 1)).to(step.dtype)

    def _norms(self, images: torch.Tensor) -> torch.Tensor:
        """L2 norm [N] of each image, added up in the order of ART's loop."""
        rows = images.flatten(1)
        if self._like_numpy:
            return torch.from_numpy(np.linalg.norm(rows.cpu().numpy(), axis=1)).to(rows.device)
        norms: torch.Tensor = torch.linalg.norm(rows, dim=1)
        return norms

    def _noise(self, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Uniform in the ball of radius eps around zero, float32 of the shape of x."""
        count, pixels = len(x), x[0].numel()
        if self.norm == math.inf:
            noise = rng.uniform(-self.eps, self.eps, (count, pixels))
        else:
            noise = rng.standard_normal((count, pixels))
            radius = self.eps * rng.random((count, 1)) ** (1 / pixels)
            noise *= radius / np.linalg.norm(noise, axis=1, keepdims=True)
        return torch.from_numpy(noise.astype(np.float32)).to(x.device).view_as(x)

    def _labels(self, x: torch.Tensor) -> torch.Tensor:
        self.estimator.forwards += len(x)
        labels: torch.Tensor = self.estimator.logits(self.estimator.defended(x)).argmax(dim=1)
        return labels
