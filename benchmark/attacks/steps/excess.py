"""How far images are from being adversarial, and the gradient of a function of that."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.attacks.steps.tensor_attack import MIN_MARGIN, TensorAttack
from estimators.outputs import finite_rows, logit_margin

# from the excess [N] and the logits [N, classes] of one draw to a scalar
Objective = Callable[[Tensor, Tensor], Tensor]


def excess_gradient(
    attack: TensorAttack,
    x: Tensor,
    own: Tensor,
    objective: Objective,
    confidence: float = 0.0,
    while_adversarial: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return the excess [N] of images x and the gradient [N, C, H, W] of the objective.

    The excess is the logit margin plus what must be passed: an image is adversarial where it is at
    most zero, with `MIN_MARGIN` and `confidence` to spare. Of an image with NaN or infinite outputs
    it is infinite (adversarial, unless a target is to be reached), and its gradient is zero. Both
    are means over the draws. One pass forward and backward serves all images.

    own: bool [N, classes], True at the label, or at the target. while_adversarial: the gradient is
    needed where an image is adversarial, too, so that NaN in it is worth repairing.
    """
    excess, gradient = _passes(attack, x, own, objective, confidence)

    def again(points: Tensor) -> Tensor:
        return _passes(attack, points, own, objective, confidence)[1]

    needed = None if while_adversarial else excess > 0
    return excess, attack.estimator.finite(gradient, x, again, needed=needed)


def away(attack: TensorAttack, y: Tensor) -> Objective:
    """Return the objective whose descent leads away from labels y [N], or to them if targeted.

    It is the log of the odds of the labels, z_y - log(sum of exp(z_k) over the others), or its
    negative. The gradient of the cross entropy has the same direction, and a length that rounds to
    zero where the probability of the label rounds to 1: in float32 at odds above exp(17) for the
    part of the label's logit, and above exp(103) for all. During `Classifier.margin_loss` it is the
    margin, since probabilities do not say how far the logits are apart.
    """
    sign = -1.0 if attack.targeted else 1.0

    def by_odds(excess: Tensor, logits: Tensor) -> Tensor:
        at = y[:, None]
        others = logits.scatter(1, at, -math.inf).logsumexp(1)
        return sign * (logits.gather(1, at)[:, 0] - others).sum()

    return by_margin if attack.estimator.backward_mode.past_squashing else by_odds


def by_margin(excess: Tensor, logits: Tensor) -> Tensor:
    """Return the summed excess; the objective whose descent makes images adversarial."""
    return excess.sum()


def _passes(
    attack: TensorAttack, x: Tensor, own: Tensor, objective: Objective, confidence: float
) -> tuple[Tensor, Tensor]:
    """Return `excess_gradient` as torch computes it, means over the draws."""
    excesses, gradients = [], []
    for leaf, logits in attack.estimator.passes(x):
        needed = confidence + MIN_MARGIN * logits.detach().abs().amax(dim=1)
        # an output that is no number is adversarial by any margin
        needed = needed.where(finite_rows(logits.detach()), 0.0)
        excess = logit_margin(logits, own, attack.targeted) + needed
        (gradient,) = torch.autograd.grad(objective(excess, logits), leaf)
        excesses.append(excess.detach())
        gradients.append(gradient)
    if len(excesses) == 1:
        return excesses[0], gradients[0].contiguous()
    return torch.stack(excesses).mean(0), torch.stack(gradients).mean(0)
