"""What attacks share that search for the nearest adversarial image."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import MIN_MARGIN, TensorAttack
from estimators.classifier import Classifier
from estimators.outputs import finite_rows

# bisection steps back towards the image: the distance is then exact to a thousandth
HALVINGS = 10


def clearly_adversarial(attack: TensorAttack, x: Tensor, y: Tensor) -> Tensor:
    """Return which images [N] are adversarial by more than rounding (`MIN_MARGIN`)."""
    attack.estimator.forwards += len(x)
    logits: Tensor = attack.estimator.logits(attack.estimator.defended(x))
    needed = (MIN_MARGIN * logits.abs().amax(1)).where(finite_rows(logits), 0.0)
    return attack.logit_margin(logits, y) < -needed


def bisected(attack: TensorAttack, x: Tensor, x_adv: Tensor, y: Tensor) -> Tensor:
    """Return the adversarial points nearest to x on the lines from x to the adversarial x_adv."""
    low, high = torch.zeros_like(x[:, :1, :1, :1]), torch.ones_like(x[:, :1, :1, :1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wrong = each(clearly_adversarial(attack, x + middle * (x_adv - x), y))
        low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return torch.where(high < 1, x + high * (x_adv - x), x_adv).clamp_(0, 1)


def jacobian(classifier: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [N, classes] and their gradients [N, classes, C, H, W], means over draws."""
    values, gradients = _jacobian_passes(classifier, x)

    def again(points: Tensor) -> Tensor:
        return _jacobian_passes(classifier, points)[1]

    return values, classifier.finite(gradients, x, again)


def _jacobian_passes(classifier: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return `jacobian` as torch computes it: one backward pass per class."""
    classes = classifier.nb_classes
    values, gradients = [], []
    for leaf, logits in classifier.passes(x):
        classifier.gradients += len(x) * (classes - 1)
        values.append(logits.detach())
        one = [
            torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0]
            for k in range(classes)
        ]
        gradients.append(torch.stack(one, 1))
    return torch.stack(values).mean(0), torch.stack(gradients).mean(0)
