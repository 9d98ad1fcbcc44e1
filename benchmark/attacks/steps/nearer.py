"""Move an adversarial point closer to its image, at the end of a search."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.geometry.sparse import saturated
from benchmark.attacks.steps.excess import by_margin, excess_gradient
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


def sparser(attack: TensorAttack, x: Tensor, x_adv: Tensor, y: Tensor) -> Tensor:
    """Return adversarial points that change fewer values than x_adv, where some are found.

    One gradient of the margin at x_adv says which values matter most. Tried are images with the
    first few of these at 0 or 1 and all others as they were, first of all values, then of those
    that x_adv changes; their number is found by bisection.
    """
    own = functional.one_hot(y, attack.estimator.nb_classes).bool()
    direction = -excess_gradient(attack, x_adv, own, by_margin)[1]
    best = _fewest(attack, x, x_adv, y, direction)
    return _fewest(attack, x, best, y, direction * (best != x))


def _fewest(attack: TensorAttack, x: Tensor, x_adv: Tensor, y: Tensor, direction: Tensor) -> Tensor:
    """Return the sparsest adversarial images among those saturated along a direction, or x_adv."""
    best, high = x_adv, (x_adv != x).flatten(1).sum(1)
    low = torch.zeros_like(high)
    for _ in range(int(high.max()).bit_length()):
        middle = (low + high) // 2
        trial = saturated(x, direction, middle)
        wrong = surely_adversarial(attack, trial, y) & (middle < high)
        best = torch.where(each(wrong), trial, best)
        low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return best
