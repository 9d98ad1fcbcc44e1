"""The fast gradient method: one gradient for every eps, equal to ART's images bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import FastGradientMethod
from art.defences.preprocessor.preprocessor import Preprocessor
from art.utils import projection, to_categorical
from torch.nn import functional

from benchmark.attacks.steps.checks import (
    FloatArray,
    IntArray,
    Labels,
    as_budget,
    as_classifier,
    as_count,
    as_flag,
    as_images,
    as_labels,
    as_norm,
)
from benchmark.attacks.steps.projections import project_l2
from estimators.classifier import BATCH, Classifier
from estimators.defences.backward import DefenceWithBackward
from estimators.errors import InputError

BoolArray = npt.NDArray[np.bool_]


class FastGradient(FastGradientMethod):  # type: ignore[misc]
    """FGSM and its kin in other norms (Goodfellow et al. 2015) as ART computes them.

    Every image equals what ART's class gives with the same classifier and batch size. Without
    ART's `minimal` (it adds floats, so it stops a step early, and it shifts images that are wrong
    already: see `smallest_eps`) and `num_random_init` (it draws from NumPy's global state).
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        targeted: bool = False,
        batch_size: int = BATCH,
    ) -> None:
        """norm: "inf" or a number of at least 1. eps: the budget, pixels lie in [0, 1].

        Raises InputError for parameters out of range.
        """
        super().__init__(
            as_classifier(estimator),
            norm=as_norm(norm),
            eps=as_budget(eps),
            targeted=as_flag(targeted, "targeted"),
            batch_size=as_count(batch_size, "batch_size", 1),
        )

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        """
        return next(self.generate_all(x, y, [self.eps]))

    def generate_all(
        self, x: FloatArray, y: Labels | None, eps: Sequence[float]
    ) -> Iterator[FloatArray]:
        """The adversarial images [N, C, H, W] of each eps in turn, all from one gradient."""
        budgets = [as_budget(e) for e in eps]
        images = as_images(x)
        direction, _ = self.directions(images, y)
        return (self.moved(images, direction, budget) for budget in budgets)

    def directions(self, x: FloatArray, y: Labels | None) -> tuple[FloatArray, BoolArray]:
        """Where each image is moved, and whether its gradient was zero.

        Returns float32 [N, C, H, W], which maximises the linearised loss over the unit ball of
        `norm`, and bool [N]: True where the gradient, and so the direction, is zero in every
        pixel, or too small for its norm in float32. No gradient attack of this loss moves such an
        image: the loss is saturated.
        """
        images = as_images(x)
        labels = as_labels(y, len(images), self.estimator.nb_classes)
        parts = [
            self._direction(images[at : at + self.batch_size], labels[at : at + self.batch_size])
            for at in range(0, len(images), self.batch_size)
        ]
        direction = np.concatenate(parts)
        zero: BoolArray = (direction == 0).reshape(len(direction), -1).all(axis=1)
        return direction, zero

    def _direction(self, x: FloatArray, y: IntArray) -> FloatArray:
        if self.norm != math.inf:
            one_hot = to_categorical(y, self.estimator.nb_classes)
            found = self._compute_perturbation(x, one_hot, None)
            return np.asarray(found, dtype=np.float32)
        device = self.estimator.torch_device
        gradient = loss_gradient(
            self.estimator, torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        )
        sign: FloatArray = gradient.sign_().cpu().numpy()
        return -sign if self.targeted else sign

    def moved(self, x: FloatArray, direction: FloatArray, eps: float) -> FloatArray:
        """Adversarial images [N, C, H, W] of one eps, from what `directions` gave."""
        device = self.estimator.torch_device
        moved = perturbed(
            torch.from_numpy(x).to(device), torch.from_numpy(direction).to(device), eps, self.norm
        )
        return moved.cpu().numpy()


def loss_gradient(classifier: Classifier, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Gradient [N, C, H, W] of the mean cross entropy at images x, as ART's attacks see it.

    Bit for bit `classifier.loss_gradient` with NaN replaced by zero, without leaving the device.
    The mean and not the sum: dividing by N changes the rounding, and with it the sign of
    gradients that are nearly zero.
    """
    if isinstance(classifier.defence, DefenceWithBackward) or backward_is_identity(classifier):
        found = classifier.mean_gradient(x, lambda logits: functional.cross_entropy(logits, y))
    else:
        # a preprocessor with a backward pass of its own: ART knows how to call it
        one_hot = to_categorical(y.cpu().numpy(), classifier.nb_classes)
        found = torch.from_numpy(classifier.loss_gradient(x.cpu().numpy(), one_hot)).to(x.device)
    return found.nan_to_num_(nan=0.0, posinf=math.inf, neginf=-math.inf)


def backward_is_identity(classifier: Classifier) -> bool:
    """Whether ART hands a gradient from behind the defence on as it is (BPDA, identity)."""
    defence = classifier.defence
    if defence is None:
        return True
    return type(defence).estimate_gradient is Preprocessor.estimate_gradient


def perturbed(
    x: torch.Tensor, direction: torch.Tensor, eps: float | torch.Tensor, norm: float
) -> torch.Tensor:
    """Images x moved by eps along a direction, clipped to [0, 1] and to the ball of radius eps.

    x, direction: float32 [N, C, H, W]. eps: a Python float, or float32 [N, 1, 1, 1] for one
    radius an image. Equal to ART's `_apply_perturbation` and `projection` bit for bit: ART
    compares a float32 step with a float64 eps and rounds the smaller one, which is the same as
    comparing with the rounded eps, since rounding keeps the order. (On another device than the
    CPU an L2 norm is summed there, in another order: equal up to rounding.)
    """
    step = (x + eps * direction).clamp_(0.0, 1.0).sub_(x)
    if norm == 2 and x.device.type != "cpu":
        step = project_l2(step, eps)
    elif norm != math.inf:
        radius = eps.cpu().numpy() if isinstance(eps, torch.Tensor) else eps
        # ART divides by the norm of a step before it looks whether that is zero
        with np.errstate(divide="ignore", invalid="ignore"):
            step = torch.from_numpy(projection(step.cpu().numpy(), radius, norm)).to(x.device)
    elif isinstance(eps, torch.Tensor):
        step = step.minimum(eps).maximum(-eps)
    else:
        step.clamp_(-eps, eps)
    return step.add_(x)


def smallest_eps(
    classifier: Classifier,
    x: FloatArray,
    y: Labels | None,
    norm: float | str,
    eps_max: float,
    tolerance: float,
    steps: int = 64,
    into: int | None = None,
) -> npt.NDArray[np.float64]:
    """The smallest eps at which the fast gradient method breaks each image, from one gradient.

    into: a class; then an image counts as broken only where it is taken for this class.

    First 0, eps_max / steps, 2 eps_max / steps, ... eps_max are tried in this order; then the
    interval below the first eps that breaks the image is halved until it is no longer than
    `tolerance`. So an image that is wrong, right again and wrong at growing eps gets the first
    wrong stretch, provided that it is at least eps_max / steps long: that is the resolution of
    the scan, and a shorter stretch may be passed over.

    Returns float64 [N]: an eps that breaks the image, at most `tolerance` above one that does
    not; 0 for images that are wrong already, inf for images that no eps of the scan breaks.
    """
    order, top = as_norm(norm), as_budget(eps_max, "eps_max")
    steps = as_count(steps, "steps", 1)
    wanted = None if into is None else int(as_labels(np.array([into]), 1, classifier.nb_classes)[0])
    if not as_budget(tolerance, "tolerance") > 0:
        raise InputError("attack: tolerance must be positive")
    attack = FastGradient(classifier, order)
    images = as_images(x)
    labels = as_labels(y, len(images), classifier.nb_classes)
    direction, _ = attack.directions(images, labels)
    grid = torch.linspace(0.0, top, steps + 1, dtype=torch.float64).float()
    found = []
    for at in range(0, len(images), BATCH):
        part, truth, towards = (
            torch.from_numpy(array[at : at + BATCH]).to(classifier.torch_device)
            for array in (images, labels, direction)
        )
        found.append(_search(classifier, part, truth, towards, order, grid, tolerance, wanted))
    return np.concatenate(found)


def _search(
    classifier: Classifier,
    x: torch.Tensor,
    y: torch.Tensor,
    direction: torch.Tensor,
    norm: float,
    grid: torch.Tensor,
    tolerance: float,
    into: int | None,
) -> npt.NDArray[np.float64]:
    def wrong(which: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        moved = perturbed(x[which], direction[which], eps.view(-1, 1, 1, 1), norm)
        classifier.forwards += len(moved)
        seen = classifier.logits(classifier.defended(moved)).argmax(dim=1)
        return seen != y[which] if into is None else seen == into

    grid = grid.to(x.device)
    low, high = torch.zeros_like(x[:, 0, 0, 0]), torch.full_like(x[:, 0, 0, 0], math.inf)
    right = torch.arange(len(x), device=x.device)
    for n, eps in enumerate(grid):
        broken = wrong(right, eps.expand(len(right)))
        low[right[broken]], high[right[broken]] = grid[max(n - 1, 0)], eps
        right = right[~broken]
        if not len(right):
            break
    while True:
        middle = (low + high) / 2
        # in float32 the middle of two neighbours is one of them: there is no closer eps
        between = (middle > low) & (middle < high) & (high - low > tolerance) & high.isfinite()
        which = between.nonzero().flatten()
        if not len(which):
            found: npt.NDArray[np.float64] = high.double().cpu().numpy()
            return found
        broken = wrong(which, middle[which])
        high[which] = torch.where(broken, middle[which], high[which])
        low[which] = torch.where(broken, low[which], middle[which])
