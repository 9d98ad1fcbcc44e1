"""The fast gradient method: one gradient for every eps, bit for bit the images of ART."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import FastGradientMethod
from art.utils import projection
from torch import Tensor

from benchmark.attacks.geometry.sparse import filled, saturated
from benchmark.attacks.steps import checks
from benchmark.attacks.steps.checks import BoolArray, FloatArray, IntArray, Labels
from benchmark.attacks.steps.crafted import Batch, OneStep
from benchmark.attacks.steps.gradients import first_gradient
from benchmark.attacks.steps.projections import project_l2
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError
from estimators.outputs import predicted_classes


class FastGradient(OneStep, FastGradientMethod):  # type: ignore[misc]
    """FGSM and the same in other norms (Goodfellow et al. 2015), as ART computes them.

    Every image equals that of ART's class with the same classifier and batch size. Two options of
    ART are left out: `minimal`, which adds floats and so stops a step early, and moves images that
    are wrong already (see `smallest_eps`); and `num_random_init`, which draws from NumPy's global
    state.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        targeted: bool = False,
        batch_size: int = BATCH,
    ) -> None:
        """norm: "inf" or a number of at least 1. eps: the budget; pixels are in [0, 1].

        Raises InputError for parameters out of range.
        """
        order = checks.as_norm(norm)
        if order == 0:
            raise InputError(f'attack: expected norm to be "inf" or at least 1, got {norm!r}')
        super().__init__(
            checks.as_classifier(estimator),
            norm=order,
            eps=checks.as_budget(eps),
            targeted=checks.as_flag(targeted, "targeted"),
            batch_size=checks.as_count(batch_size, "batch_size", 1),
        )

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Return adversarial images; `TensorAttack.generate` describes x, y and the result."""
        images, device = checks.as_images(x), self.estimator.torch_device
        direction = torch.from_numpy(self.directions(images, y)[0]).to(device)
        return self.step(torch.from_numpy(images).to(device), direction, self.eps).cpu().numpy()

    def directions(self, x: FloatArray, y: Labels | None) -> tuple[FloatArray, BoolArray]:
        """Return where each image moves, and whether its gradient is zero.

        The direction, float32 [N, C, H, W], maximises the linearised loss over the unit ball of
        `norm`. The flags, bool [N], are True where it is zero in every pixel, or too small for its
        norm in float32: the loss is saturated, and no gradient attack on it moves such an image.
        """
        images = checks.as_images(x)
        labels = checks.as_labels(y, len(images), self.estimator.nb_classes)
        parts = [
            self._direction(images[at : at + self.batch_size], labels[at : at + self.batch_size])
            for at in range(0, len(images), self.batch_size)
        ]
        direction = np.concatenate(parts)
        return direction, (direction == 0).reshape(len(direction), -1).all(axis=1)

    def _direction(self, x: FloatArray, y: IntArray) -> FloatArray:
        device = self.estimator.torch_device
        images, labels = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        gradient = first_gradient(self.estimator, images, labels)
        if self.norm == math.inf:
            sign: FloatArray = gradient.sign_().cpu().numpy()
            return -sign if self.targeted else sign
        array: FloatArray = gradient.cpu().numpy() * (1 - 2 * int(self.targeted))
        return steepest(array, self.norm)

    def direction(self, batch: Batch) -> tuple[Tensor, BoolArray]:
        """Return `directions` of a batch, on the device."""
        direction, zero_gradient = self.directions(batch.x, batch.labels)
        return torch.from_numpy(direction).to(self.estimator.torch_device), zero_gradient

    def step(self, x: Tensor, direction: Tensor, eps: float) -> Tensor:
        """Return images x [N, C, H, W] moved by eps along the direction."""
        return perturbed(x, direction, eps, self.norm)


FastGradientL2 = partial(FastGradient, norm=2)


def steepest(gradient: FloatArray, norm: float) -> FloatArray:
    """Return the vector of norm 1 along which a gradient [N, C, H, W] ascends most; zero for zero.

    norm: finite. Bit for bit as in ART's `_compute_perturbation`.
    """
    rows: npt.NDArray[np.floating[Any]] = gradient.reshape(len(gradient), -1)
    if norm == 1:
        largest = np.argmax(np.abs(rows), axis=1)
        rows = np.zeros_like(rows)
        rows[range(len(rows)), largest] = 1
    else:
        conjugate = norm / (norm - 1)
        length = np.linalg.norm(rows, ord=conjugate, axis=1, keepdims=True)
        rows = (np.abs(rows) / np.where(length, length, np.inf)) ** (conjugate - 1)
    return np.asarray(rows.reshape(gradient.shape) * np.sign(gradient), dtype=np.float32)


def perturbed(x: Tensor, direction: Tensor, eps: float | Tensor, norm: float) -> Tensor:
    """Return images x moved by eps along a direction, clipped to [0, 1] and to the ball of eps.

    x, direction: float32 [N, C, H, W]. eps: a Python float, or float32 [N, 1, 1, 1] for one
    radius per image. Equal to ART's `_apply_perturbation` and `projection` bit for bit: ART
    compares a float32 step with a float64 eps and rounds the smaller one, which is the same as
    comparing with the rounded eps, since rounding keeps the order. (On another device than the
    CPU an L2 norm is summed there, in another order: equal up to rounding.)
    """
    step = (x + eps * direction).clamp_(0.0, 1.0).sub_(x)
    if norm == 2 and x.device.type != "cpu":
        step = project_l2(step, eps)
    elif norm != math.inf:
        radius = eps.cpu().numpy() if isinstance(eps, Tensor) else eps
        # ART divides by the norm of a step before it looks whether that is zero
        with np.errstate(divide="ignore", invalid="ignore"):
            step = torch.from_numpy(projection(step.cpu().numpy(), radius, norm)).to(x.device)
    elif isinstance(eps, Tensor):
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
    """Return the smallest eps at which the fast gradient method breaks each image, float64 [N].

    An image counts as broken where it is misclassified, or, with `into`, where it is taken for
    that class. The eps is at most `tolerance` above one that does not break the image; it is 0 for
    images that are broken already, inf for images that no eps of the scan breaks.

    A scan tries 0, eps_max / steps, 2 eps_max / steps, ... eps_max; then the interval below the
    first eps that breaks the image is halved until it is no longer than `tolerance`. Of several
    intervals that break an image the first counts; the scan may miss one below eps_max / steps.

    norm: "inf", 0, or at least 1. In L0 (eps: whole numbers of values) and in L1 the step makes the
    most of [0, 1]: `sparse.saturated` and `sparse.filled`. ART's step in L1 moves one value alone.

    On a network with squashed outputs the search is repeated along the gradient of the margin
    (see `steps.second_loss`); the smaller eps counts.
    """
    return smallest_move(classifier, x, y, norm, eps_max, tolerance, steps, into)[0]


def smallest_move(
    classifier: Classifier,
    x: FloatArray,
    y: Labels | None,
    norm: float | str,
    eps_max: float,
    tolerance: float,
    steps: int = 64,
    into: int | None = None,
) -> tuple[npt.NDArray[np.float64], FloatArray]:
    """Return what `smallest_eps` does, and the directions [N, C, H, W] that `perturbed` takes."""
    order, top = checks.as_norm(norm), checks.as_budget(eps_max, "eps_max")
    steps = checks.as_count(steps, "steps", 1)
    classes = classifier.nb_classes
    target = None if into is None else int(checks.as_labels(np.array([into]), 1, classes)[0])
    checks.as_positive(tolerance, "tolerance")
    # a direction in L2 has the signs and the order of the gradient
    attack = FastGradient(classifier, order if order > 1 else 2)
    images = checks.as_images(x)
    labels = checks.as_labels(y, len(images), classes)
    grid = torch.linspace(0.0, top, steps + 1, dtype=torch.float64).float()

    def found(direction: FloatArray) -> npt.NDArray[np.float64]:
        arrays = images, labels, direction
        return _searched(classifier, *arrays, order, grid, tolerance, target)

    direction, _ = attack.directions(images, labels)
    smallest = found(direction)
    if classifier.squashed:
        with classifier.margin_loss():
            other, _ = attack.directions(images, labels)
        second = found(other)
        nearer = second < smallest
        smallest = np.where(nearer, second, smallest)
        direction = np.where(nearer.reshape(-1, 1, 1, 1), other, direction)
    return smallest, direction


def _searched(
    classifier: Classifier,
    images: FloatArray,
    labels: IntArray,
    direction: FloatArray,
    norm: float,
    grid: Tensor,
    tolerance: float,
    into: int | None,
) -> npt.NDArray[np.float64]:
    """Search for the smallest eps of each image along its direction, in batches."""
    parts = []
    for at in range(0, len(images), classifier.batch):
        part, truth, towards = (
            torch.from_numpy(array[at : at + classifier.batch]).to(classifier.torch_device)
            for array in (images, labels, direction)
        )
        parts.append(_search(classifier, part, truth, towards, norm, grid, tolerance, into))
    return np.concatenate(parts)


def _moved(x: Tensor, direction: Tensor, eps: Tensor, norm: float) -> Tensor:
    """Return images x [N, C, H, W] moved by eps [N] along a direction, in [0, 1]."""
    if norm == 0:
        return saturated(x, direction, eps.floor())
    if norm == 1:
        return filled(x, direction, eps)
    return perturbed(x, direction, eps.view(-1, 1, 1, 1), norm)


def _search(
    classifier: Classifier,
    x: Tensor,
    y: Tensor,
    direction: Tensor,
    norm: float,
    grid: Tensor,
    tolerance: float,
    into: int | None,
) -> npt.NDArray[np.float64]:
    """Scan the grid of eps, then halve the interval below the first that breaks each image."""

    def is_broken(which: Tensor, eps: Tensor) -> Tensor:
        x_adv = _moved(x[which], direction[which], eps, norm)
        classifier.forwards += len(x_adv)
        predicted = predicted_classes(classifier.logits(classifier.defended(x_adv)))
        return predicted != y[which] if into is None else predicted == into

    grid = grid.to(x.device)
    low, high = torch.zeros_like(x[:, 0, 0, 0]), torch.full_like(x[:, 0, 0, 0], math.inf)
    right = torch.arange(len(x), device=x.device)
    for n, eps in enumerate(grid):
        broken = is_broken(right, eps.expand(len(right)))
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
            return np.floor(found) if norm == 0 else found
        broken = is_broken(which, middle[which])
        high[which] = torch.where(broken, middle[which], high[which])
        low[which] = torch.where(broken, low[which], middle[which])
