"""The Carlini and Wagner L2 attack on tensors, with ART's binary search fixed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.steps.checks import as_budget, as_count, as_positive
from benchmark.attacks.steps.excess import excess_gradient
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier

# x = 1/2 + tanh(w) / (2 SQUEEZE): the paper's footnote 8 (scale by 1/2 + epsilon), with an epsilon
# for which the slope at black and white pixels does not vanish. With ART's 0.999999, steps of 0.01
# need hundreds of iterations to change a black pixel.
SQUEEZE = 0.9
# The first steps move an image by this share of its estimated distance.
STEP = 0.5
# An image leaves when a step of the binary search shortens its distance by less than this share.
PROGRESS = 2e-3
# The upper bound on c in the paper's own code.
CONST_MAX = 1e10
MOMENTUM, SQUARES, TINY = 0.9, 0.999, 1e-8


class CarliniL2(TensorAttack):
    """C&W's L2 attack (Carlini and Wagner 2017, sections V and VI.A).

    Minimise |x' - x|^2 + c f(x') for each image, f(x') = max(z_y - max z_other + confidence, 0)
    (targeted: z_other and z_y change places), over the change of variable of section V.B by Adam
    (Kingma and Ba 2015), the paper's own optimiser, and search c by bisection. ART's class uses a
    line search, and the lower bound of its bisection is the same array as the constant, so that it
    ends several percent above the optimum (`tests/benchmark/attacks/test_carlini.py`).

    Differences from the paper's code: Adam's rate follows a cosine. Rate and first c are estimated
    per image from one gradient, unless they are given. Images leave the batch once the search
    brings them no closer. A tie does not count as success (`MIN_MARGIN`).
    """

    def __init__(
        self,
        classifier: Classifier,
        confidence: float = 0.0,
        targeted: bool = False,
        learning_rate: float | None = None,
        binary_search_steps: int = 9,
        max_iter: int = 100,
        initial_const: float | None = None,
    ) -> None:
        """confidence: kappa, the margin in logits that a wrong class must reach.

        learning_rate: Adam's first rate in tanh space. initial_const: the first c. None estimates
        them per image. binary_search_steps: values of c at most. max_iter: iterations for each.
        """
        super().__init__(classifier, targeted)
        self.confidence = as_budget(confidence, "confidence")
        if learning_rate is not None:
            learning_rate = as_positive(learning_rate, "learning_rate")
        self.learning_rate = learning_rate
        self.binary_search_steps = as_count(binary_search_steps, "binary_search_steps", 1)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        if initial_const is not None:
            initial_const = as_positive(initial_const, "initial_const")
        self.initial_const = initial_const

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Search c by bisection (section VI.A); images that never become wrong are unchanged."""
        own = functional.one_hot(y, self.estimator.nb_classes).bool()
        excess, gradient = self._excess_gradient(x, own, torch.ones_like(y, dtype=x.dtype))
        const, rate = self._first_guess(x, y, excess, gradient)
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
        self, x: Tensor, y: Tensor, excess: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the first c [N] and Adam's rate [N], as if the logits were linear.

        Then the nearest adversarial image is at d = f / |grad f|, and c = 2 d / |grad f| is the
        smallest constant that reaches it; twice that leaves room for a gradient that fades.
        """
        side = math.sqrt(x[0].numel())
        length = gradient.flatten(1).norm(dim=1).clamp_min(TINY)
        distance = excess / length
        if self.estimator.backward_mode.past_squashing:
            distance = self.reach(x, y, -gradient)
        distance = distance.clamp(1e-5 * side, 0.1 * side)
        const = (4 * distance / length).clamp_max(CONST_MAX)
        if self.initial_const is not None:
            const = torch.full_like(const, self.initial_const)
        slope = (1 - (SQUEEZE * (2 * x - 1)).square()) / (2 * SQUEEZE)
        rate = STEP * distance / slope.flatten(1).norm(dim=1)
        if self.learning_rate is not None:
            rate = torch.full_like(rate, self.learning_rate)
        return const, rate

    def _minimise(
        self, x: Tensor, own: Tensor, const: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Run Adam with one c per image; return the nearest adversarial images, L2 (inf: none)."""
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

    def _excess_gradient(self, x: Tensor, own: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return f before it is clipped at zero [N], and the gradient of weight * max(f, 0) at x.

        own: bool [N, classes], True at the label. An image is adversarial where f <= 0, which has
        `MIN_MARGIN` in it.
        """

        def objective(excess: Tensor, logits: Tensor) -> Tensor:
            return (weight * excess.clamp_min(0)).sum()

        return excess_gradient(self, x, own, objective, self.confidence, while_adversarial=False)
