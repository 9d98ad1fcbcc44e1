"""Projected gradient descent on tensors from start to end, bit for bit the images of ART."""

from __future__ import annotations

import math

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescent
from torch import Tensor

from benchmark.attacks.entry import Params
from benchmark.attacks.steps import checks
from benchmark.attacks.steps.checks import FloatArray, Labels
from benchmark.attacks.steps.gradients import (
    first_gradient,
    loss_gradient,
    loss_gradient_and_logits,
)
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import batches, joined
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError
from estimators.outputs import predicted_classes


class ProjectedGradient(ProjectedGradientDescent):  # type: ignore[misc]
    """PGD (Madry et al. 2018, equation 4 and section 4) in the Linf or the L2 ball.

    Without random starts every image equals that of ART for the same classifier and batch size,
    bit for bit: of its PyTorch loop for a bare network, of its NumPy loop behind a defence.
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
        drop_fallen: bool = False,
    ) -> None:
        """norm: "inf" or 2. eps, eps_step: budget and length of a step; pixels are in [0, 1].

        max_iter: steps of each run. num_random_init: runs from random points of the ball; 0 for
        one run from the image itself.
        drop_fallen: an image leaves the batch with its first adversarial point, which saves passes.
            It is adversarial for the network behind the defence that the attacker sees. Behind a
            random defence, where other draws may be right, every image takes all steps.

        Raises InputError for parameters out of range.
        """
        super().__init__(
            checks.as_classifier(estimator),
            norm=checks.as_two_or_inf(norm, "PGD"),
            eps=checks.as_budget(eps),
            eps_step=checks.as_positive(eps_step, "eps_step"),
            max_iter=checks.as_count(max_iter, "max_iter", 0),
            targeted=checks.as_flag(targeted, "targeted"),
            num_random_init=checks.as_count(num_random_init, "num_random_init", 0),
            batch_size=checks.as_count(batch_size, "batch_size", 1),
            verbose=False,
        )
        # the two loops of ART round L2 norms and directions differently
        self._like_numpy = not estimator.all_framework_preprocessing
        self.drop_fallen = checks.as_flag(drop_fallen, "drop_fallen") and not estimator.random

    def generate(
        self, x: FloatArray, y: Labels | None = None, rng: np.random.Generator | None = None
    ) -> FloatArray:
        """Return adversarial images; `TensorAttack.generate` describes x, y and the result.

        rng: the source of random starts; needed if there are any. From the second run on, only
        images that are not adversarial yet are attacked again.
        """
        parts = batches(self.estimator, x, y, self.batch_size)
        if self.num_random_init and rng is None:
            raise InputError("attack: expected a generator (rng) for random starts, got None")
        return joined([self._batch(*part, rng) for part in parts])

    def _batch(self, x: Tensor, y: Tensor, rng: np.random.Generator | None) -> Tensor:
        if rng is None or not self.num_random_init:
            return self._descend(x, y, x)
        x_adv = x.clone()
        standing = torch.arange(len(x), device=x.device)
        for _ in range(self.num_random_init):
            centre, truth = x[standing], y[standing]
            start = (centre + self._noise(centre, rng)).clamp_(0.0, 1.0)
            x_adv[standing] = self._descend(centre, truth, start)
            self.estimator.forwards += len(standing)
            seen = self.estimator.defended(x_adv[standing])
            right = predicted_classes(self.estimator.logits(seen)) == truth
            standing = standing[~right if self.targeted else right]
            if not len(standing):
                break
        return x_adv

    def _descend(self, x: Tensor, y: Tensor, start: Tensor) -> Tensor:
        """Return the images after all steps of one run; the order of the roundings is ART's."""
        if self.drop_fallen:
            return self._descend_until_fallen(x, y, start)
        x_adv = start
        for _ in range(self.max_iter):
            ascent = first_gradient if x_adv is x else loss_gradient
            x_adv = self._moved(x, x_adv, ascent(self.estimator, x_adv, y))
        return x_adv

    def _descend_until_fallen(self, x: Tensor, y: Tensor, start: Tensor) -> Tensor:
        """Return each image after all steps, or where it was adversarial first."""
        x_adv, left = start.clone(), torch.arange(len(x), device=x.device)
        for _ in range(self.max_iter):
            gradient, logits = loss_gradient_and_logits(self.estimator, x_adv[left], y[left])
            stays = (predicted_classes(logits) == y[left]) != self.targeted
            left = left[stays]
            if not len(left):
                break
            x_adv[left] = self._moved(x[left], x_adv[left], gradient[stays])
        return x_adv

    def _moved(self, x: Tensor, x_adv: Tensor, gradient: Tensor) -> Tensor:
        """Return the images after a step along a gradient, which is overwritten."""
        if self.targeted:
            gradient.neg_()
        step = gradient.sign_() if self.norm == math.inf else self._unit(gradient)
        step.mul_(self.eps_step).add_(x_adv).clamp_(0.0, 1.0).sub_(x)
        if self.norm == math.inf:
            step.clamp_(-self.eps, self.eps)
        else:
            step = self._into_ball(step)
        return step.add_(x)

    def _unit(self, gradient: Tensor) -> Tensor:
        """Return each image's gradient divided by its L2 norm; zero stays zero."""
        norm = self._norms(gradient)
        if self._like_numpy:
            return gradient.div_(each(norm.where(norm != 0, math.inf)))
        return gradient.mul_(each(norm.where(norm == 0, 1 / norm)))

    def _into_ball(self, step: Tensor) -> Tensor:
        """Return each image's step scaled back into the L2 ball; in float64 as in ART."""
        norm = self._norms(step).double()
        scale = norm.where(norm == 0, (self.eps / norm).clamp_(max=1.0))
        return (step * each(scale)).to(step.dtype)

    def _norms(self, images: Tensor) -> Tensor:
        """Return the L2 norm [N] of each image, added up in the order of ART's loop."""
        rows = images.flatten(1)
        if self._like_numpy:
            return torch.from_numpy(np.linalg.norm(rows.cpu().numpy(), axis=1)).to(rows.device)
        norms: Tensor = torch.linalg.norm(rows, dim=1)
        return norms

    def _noise(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Return noise of the shape of x, uniform in the ball of radius eps around zero."""
        count, pixels = len(x), x[0].numel()
        if self.norm == math.inf:
            noise = rng.uniform(-self.eps, self.eps, (count, pixels))
        else:
            noise = rng.standard_normal((count, pixels))
            radius = self.eps * rng.random((count, 1)) ** (1 / pixels)
            noise *= radius / np.linalg.norm(noise, axis=1, keepdims=True)
        return torch.from_numpy(noise.astype(np.float32)).to(x.device).view_as(x)


def step_size(params: Params) -> Params:
    """Return the step: 2.5 eps / iterations where none is given (Madry et al. 2018)."""
    step = params["eps_step"]
    if step is None:
        step = min(2.5 * params["eps"] / max(1, params["max_iter"]), params["eps"])
    return {"eps_step": step}


def grey_levels(params: Params) -> Params:
    """Return what Kurakin et al. 2017 take where step size or number of steps are not given.

    A step is one grey level; there are min(e + 4, 1.25 e) of them for e = 255 eps.
    """
    levels = 255 * params["eps"]
    count, size = params["max_iter"], params["eps_step"]
    return {
        "max_iter": max(1, int(min(levels + 4, 1.25 * levels))) if count is None else count,
        "eps_step": min(1 / 255, params["eps"]) if size is None else size,
    }
