"""Move an adversarial point closer to its image; forward passes alone."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import MIN_MARGIN, TensorAttack
from estimators.outputs import finite_rows

# bisection steps back towards the image: the distance is then exact to a thousandth
HALVINGS = 10


def surely_adversarial(attack: TensorAttack, x: Tensor, y: Tensor) -> Tensor:
    """Return which images [N] are adversarial by more than rounding (`MIN_MARGIN`).

    x: [N, C, H, W]. y: labels or targets [N].
    """
    attack.estimator.forwards += len(x)
    logits: Tensor = attack.estimator.logits(attack.estimator.defended(x))
    needed = (MIN_MARGIN * logits.abs().amax(1)).where(finite_rows(logits), 0.0)
    return attack.logit_margin(logits, y) < -needed


def towards(attack: TensorAttack, x: Tensor, x_adv: Tensor, y: Tensor) -> Tensor:
    """Return the adversarial points nearest to x on the lines from x to x_adv, by bisection."""
    low, high = torch.zeros_like(x[:, :1, :1, :1]), torch.ones_like(x[:, :1, :1, :1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wrong = each(surely_adversarial(attack, x + middle * (x_adv - x), y))
        low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return torch.where(high < 1, x + high * (x_adv - x), x_adv).clamp_(0, 1)
