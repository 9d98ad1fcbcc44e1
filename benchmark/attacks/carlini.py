"""The Carlini and Wagner L2 attack on tensors, with the binary search mended."""

from __future__ import annotations

import math

import torch
from art.attacks.evasion import CarliniL2Method
from torch.nn import functional

from benchmark.attacks.steps.batches import batches, joined
from benchmark.attacks.steps.checks import (
    FloatArray,
    Labels,
    as_budget,
    as_classifier,
    as_count,
    as_flag,
)
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import LEAD, lead
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError

# x = 1/2 + tanh(w) / (2 SQUEEZE): the paper's footnote 8 (scale by 1/2 + epsilon), taken far
# enough that the slope at black and white pixels does not vanish. With ART's 0.999999 a step of
# 0.01 needs hundreds of iterations to lift a black pixel.
SQUEEZE = 0.9
# First steps move an image by this share of its estimated distance.
STEP = 0.5
# An image that comes closer by less than this share in a step of the binary search is finished.
PROGRESS = 2e-3
# The upper bound on c in the paper's own code.
CONST_MAX = 1e10
MOMENTUM, SQUARES, TINY = 0.9, 0.999, 1e-8


class CarliniL2(CarliniL2Method):  # type: ignore[misc]
    """C&W's L2 attack (Carlini and Wagner 2017, sections V and VI.A).

    Minimises |x' - x|^2 + c f(x') for each image, f(x') = max(z_y - max z_other + confidence, 0)
    (targeted: z_other and z_y change places), over the change of variable of section V.B by Adam
    (Kingma and Ba 2015), the paper's own optimiser, and searches c by bisection. ART's class has
    a line search instead, and the lower bound of its bisection aliases the constant, so that it
    ends several percent above the optimum (`tests/test_carlini.py`).

    Unlike the paper's code: Adam's rate falls along a cosine; rate and first c are estimated for
    each image from one gradient unless they are given; images leave the batch once the search
    brings them no closer; a tie is no success (`LEAD`).
    """

    attack_params = [
        "confidence",
        "targeted",
        "learning_rate",
        "binary_search_steps",
        "max_iter",
        "initial_const",
        "batch_size",
    ]

    def __init__(
        self,
        classifier: Classifier,
        confidence: float = 0.0,
        targeted: bool = False,
        learning_rate: float | None = None,
        binary_search_steps: int = 9,
        max_iter: int = 100,
        initial_const: float | None = None,
        batch_size: int = BATCH,
    ) -> None:
        """confidence: kappa, the lead in logits that a wrong class must reach.

        learning_rate: Adam's first rate in tanh space; None estimates it for each image.
        binary_search_steps: at most so many values of c. max_iter: Adam's iterations for each.
        initial_const: the first c; None estimates it for each image.
        Raises InputError for parameters out of range.
        """
        super().__init__(
            as_classifier(classifier),
            confidence=as_budget(confidence, "confidence"),
            targeted=as_flag(targeted, "targeted"),
            binary_search_steps=as_count(binary_search_steps, "binary_search_steps", 1),
            max_iter=as_count(max_iter, "max_iter", 1),
            batch_size=as_count(batch_size, "batch_size", 1),
            verbose=False,
        )
        self.learning_rate = _positive(learning_rate, "learning_rate")
        self.initial_const = _positive(initial_const, "initial_const")

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        An image that is adversarial already, or for which none was found, comes back as it is.
        """
        return joined(
            [self._attack(*part) for part in batches(self.estimator, x, y, self.batch_size)]
        )

    def _attack(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The binary search over c (section VI.A), for all images of a batch at once."""
        own = functional.one_hot(y, self.estimator.nb_classes).bool()
        excess, gradient = self._excess_gradient(x, own, torch.ones_like(y, dtype=x.dtype))
        const, rate = self._first_guess(x, excess, gradient)
        best, nearest = x.clone(), torch.full_like(excess, math.inf)
        low, high = torch.zeros_like(const), torch.full_like(const, math.inf)
        left = (excess > 0).nonzero().flatten()
        for _ in range(self.binary_search_steps):
            if not len(left):
                break
            image, distance = self._minimise(x[left], own[left], const[left], rate[left])
            before = nearest[left]
            closer = distance < before
            best[left[closer]], nearest[left[closer]] = image[closer], distance[closer]
            hit = distance.isfinite()
            high[left[hit]], low[left[~hit]] = const[left[hit]], const[left[~hit]]
            const = torch.where(high.isinf(), 10 * const, (low + high) / 2)
            improved = before.isinf() | (distance < before * (1 - PROGRESS))
            left = left[improved & (const[left] <= CONST_MAX)]
        return best

    def _first_guess(
        self, x: torch.Tensor, excess: torch.Tensor, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The first c [N] and Adam's rate [N], as if the logits were linear.

        Then the nearest adversarial image is at d = f / |grad f|, and c = 2 d / |grad f| is the
        smallest constant that reaches it; twice that leaves room for a gradient that fades.
        """
        side = math.sqrt(x[0].numel())
        length = gradient.flatten(1).norm(dim=1).clamp_min(TINY)
        distance = (excess / length).clamp(1e-5 * side, 0.1 * side)
        const = (4 * distance / length).clamp_max(CONST_MAX)
        if self.initial_const is not None:
            const = torch.full_like(const, self.initial_const)
        slope = (1 - (SQUEEZE * (2 * x - 1)).square()) / (2 * SQUEEZE)
        rate = STEP * distance / slope.flatten(1).norm(dim=1)
        if self.learning_rate is not None:
            rate = torch.full_like(rate, self.learning_rate)
        return const, rate

    def _minimise(
        self, x: torch.Tensor, own: torch.Tensor, const: torch.Tensor, rate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adam for one c an image: the nearest adversarial images met, and their L2 distances.

        A distance is inf where none was met.
        """
        best, nearest = x, torch.full_like(const, math.inf)
        limit = math.atanh(SQUEEZE)
        w = torch.atanh(SQUEEZE * (2 * x - 1))
        mean, square = torch.zeros_like(w), torch.zeros_like(w)
        for i in range(self.max_iter):
            t = w.tanh()
            image = (t / (2 * SQUEEZE)).add_(0.5).clamp_(0.0, 1.0)
            excess, gradient = self._excess_gradient(image, own, const)
            change = image - x
            distance = change.flatten(1).norm(dim=1)
            closer = (excess <= 0) & (distance < nearest)
            nearest = torch.where(closer, distance, nearest)
            best = torch.where(each(closer), image, best)

            slope = t.square_().neg_().add_(1).div_(2 * SQUEEZE)
            gradient = gradient.add_(change, alpha=2).mul_(slope)
            mean.lerp_(gradient, 1 - MOMENTUM)
            square.mul_(SQUARES).addcmul_(gradient, gradient, value=1 - SQUARES)
            scale = (square / (1 - SQUARES ** (i + 1))).sqrt_().add_(TINY)
            pace = 0.5 * (1 + math.cos(math.pi * i / self.max_iter)) / (1 - MOMENTUM ** (i + 1))
            w.addcdiv_(mean * each(rate), scale, value=-pace).clamp_(-limit, limit)
        return best, nearest

    def _excess_gradient(
        self, x: torch.Tensor, own: torch.Tensor, weight: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """f before it is cut off at zero [N], and the gradient of weight * max(f, 0) at x.

        One backward pass for all images, whatever their labels. own: bool [N, classes], True at
        the label. An image is adversarial where f <= 0; `LEAD` is part of f.
        """
        excesses, gradients = [], []
        for leaf, logits in self.estimator.passes(x):
            needed = self.confidence + LEAD * logits.detach().abs().amax(dim=1)
            excess = lead(logits, own, self.targeted) + needed
            (gradient,) = torch.autograd.grad((weight * excess.clamp_min(0)).sum(), leaf)
            excesses.append(excess.detach())
            gradients.append(gradient)
        if len(excesses) == 1:
            return excesses[0], gradients[0].contiguous()
        return torch.stack(excesses).mean(0), torch.stack(gradients).mean(0)


def _positive(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    if not as_budget(value, name) > 0:
        raise InputError(f"attack: {name} must be positive, found {value!r}")
    return float(value)
