"""Logits and their gradients, class by class."""

from __future__ import annotations

import torch
from torch import Tensor

from estimators.classifier import Classifier


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
