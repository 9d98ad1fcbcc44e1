"""Gradients on tensors, equal to what ART's attacks see."""

from __future__ import annotations

import torch
from art.defences.preprocessor.preprocessor import Preprocessor
from art.utils import to_categorical
from torch import Tensor

from estimators.classifier import Classifier
from estimators.defences.backward import DefenceWithBackward
from estimators.networks.running.kept import fingerprint


def loss_gradient(classifier: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradient [N, C, H, W] of the mean cross entropy at images x, as ART computes it.

    Bit for bit `classifier.loss_gradient`, without leaving the device, and finite as that is.
    During `classifier.margin_loss` it is the gradient of the margin instead.
    The mean and not the sum: dividing by N changes the rounding, and with it the sign of
    gradients that are nearly zero.
    """
    if _passes_are_arts(classifier):
        gradient = classifier.mean_gradient(x, lambda logits: classifier.loss(logits, y))
    else:
        # a preprocessor with a backward pass of its own: ART knows how to call it
        one_hot = to_categorical(y.cpu().numpy(), classifier.nb_classes)
        array = classifier.loss_gradient(x.cpu().numpy(), one_hot)
        gradient = torch.from_numpy(array).to(x.device)
    return gradient


def loss_gradient_and_logits(classifier: Classifier, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of the summed cross entropy at images x, and their logits, of one pass.

    So the number of other images changes no image's gradient. Behind a preprocessor with a backward
    pass of its own the gradient is of the mean, and the logits take a forward pass more.
    """
    if not _passes_are_arts(classifier):
        classifier.forwards += len(x)
        gradient = loss_gradient(classifier, x, y)
        return gradient, classifier.logits(classifier.defended(x))
    seen: list[Tensor] = []

    def objective(logits: Tensor) -> Tensor:
        seen.append(logits.detach())
        # the mean times its count: backward, the two cancel without rounding
        total: Tensor = classifier.loss(logits, y) * len(y)
        return total

    return classifier.mean_gradient(x, objective), seen[0]


def first_gradient(classifier: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """Return `loss_gradient` at clean images, which attacks that begin alike share.

    It counts as if it were not shared. A random defence has other draws in every pass, the
    gradient of the margin is another one, and one with NaN goes on in its own way: these are
    computed.
    """
    mode = classifier.backward_mode
    if classifier.kept is None or classifier.random or mode.past_squashing:
        return loss_gradient(classifier, x, y)
    arrays = x.cpu().numpy(), y.cpu().numpy()
    key = ("first gradient", classifier.kept_as, fingerprint(*arrays))
    found = classifier.kept.get(key)
    if found is not None:
        classifier.gradients += len(x) * classifier.draws
        return torch.from_numpy(found[0].copy()).to(x.device)
    broken = mode.broken
    gradient = loss_gradient(classifier, x, y)
    if mode.broken == broken:
        classifier.kept.put(key, gradient.cpu().numpy().copy())
    return gradient


def _passes_are_arts(classifier: Classifier) -> bool:
    """Return whether `Classifier.passes` gives the gradients that ART computes."""
    return isinstance(classifier.defence, DefenceWithBackward) or backward_is_identity(classifier)


def backward_is_identity(classifier: Classifier) -> bool:
    """Return whether ART passes gradients through the defence unchanged (BPDA, identity)."""
    estimate = getattr(type(classifier.defence), "estimate_gradient", None)
    return classifier.defence is None or estimate is Preprocessor.estimate_gradient
