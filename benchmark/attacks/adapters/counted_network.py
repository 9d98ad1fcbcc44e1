"""The network that attacks of other libraries get: a plain module that counts its own passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.attacks.steps.gradients import backward_is_identity
from estimators.classifier import Classifier
from estimators.defences.backward import DefenceWithBackward

Passes = list[tuple[Tensor, Tensor]]


class Enough(BaseException):
    """A network was asked for more passes than a rehearsal gives; no library catches it."""


class CountedNetwork(nn.Module):
    """A classifier as a module from images [N, C, H, W] in [0, 1] to logits [N, classes].

    The defence that the attacker sees is part of it. Gradients come back through it as in all
    other attacks: exactly, by BPDA, or by its surrogate. Over several draws of a random defence
    the logits are the mean, so gradients are those of the loss at the mean logits.

    It counts in the classifier: a forward pass whose gradient is taken is one of `gradients`, each
    further gradient through it another one; all other passes are `forwards`. It stays in
    evaluation mode, and holds no weights that a library could change.
    """

    def __init__(self, classifier: Classifier, limit: int | None = None) -> None:
        """Wrap a classifier.

        limit: passes after which `Enough` is raised.
        """
        super().__init__()
        self.classifier = classifier
        self.classes = int(classifier.nb_classes)
        self.limit = limit
        # libraries look for the device of the first parameter
        empty = torch.empty(0, device=classifier.torch_device)
        self.place = nn.Parameter(empty, requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> CountedNetwork:
        """Stay in evaluation mode, whatever the mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [N, classes]; large batches pass in parts."""
        if self.limit is not None:
            self.limit -= 1
            if self.limit < 0:
                raise Enough
        # some libraries compute in float64
        x = x.to(self.place.device, torch.float32)
        parts = [self._part(part) for part in torch.split(x, self.classifier.batch)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _part(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            logits: Tensor = _Pass.apply(x, self.classifier)
            return logits
        self.classifier.forwards += len(x)
        # a copy, since tensors of inference mode take no part in a later graph
        return self.classifier.logits(
            self.classifier.defended(_nearest(x, self.classifier))
        ).clone()


class _Pass(torch.autograd.Function):
    """One pass through defence and network."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, classifier: Classifier) -> Tensor:
        ctx.classifier, ctx.x = classifier, _nearest(x, classifier)
        ctx.forwards = len(x) * classifier.draws
        ctx.passes = _passes(classifier, ctx.x)
        classifier.forwards += ctx.forwards
        logits = [logits.detach() for _, logits in ctx.passes]
        return logits[0].clone() if len(logits) == 1 else torch.stack(logits).mean(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        classifier: Classifier = ctx.classifier
        # the forward pass belongs to the first gradient
        classifier.forwards -= ctx.forwards
        ctx.forwards = 0
        classifier.gradients += len(ctx.x) * classifier.draws

        def again(points: Tensor) -> Tensor:
            classifier.gradients += len(points) * classifier.draws
            return _product(classifier, points, _passes(classifier, points), grad)

        gradient = _product(classifier, ctx.x, ctx.passes, grad)
        return classifier.finite(gradient, ctx.x, again, steps_anyway=True), None


def _nearest(x: Tensor, classifier: Classifier) -> Tensor:
    """Return points as a defence gets them: one outside [0, 1] is no image."""
    return x.detach() if classifier.defence is None else x.detach().clamp(0, 1)


def _passes(classifier: Classifier, x: Tensor) -> Passes:
    """Return one differentiable pass per draw, not counted."""
    before = classifier.gradients
    with torch.enable_grad():
        passes = list(classifier.passes(x))
    classifier.gradients = before
    return passes


def _product(classifier: Classifier, x: Tensor, passes: Passes, grad: Tensor) -> Tensor:
    """Return the product [N, C, H, W] of a gradient by the logits with their Jacobian, mean."""
    parts = [
        torch.autograd.grad(logits, leaf, grad, retain_graph=True)[0] for leaf, logits in passes
    ]
    mean = parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)
    defence = classifier.defence
    if not (defence is None or isinstance(defence, DefenceWithBackward)) and not (
        backward_is_identity(classifier)
    ):
        # a preprocessor with a backward pass of its own
        own = defence.estimate_gradient(x.cpu().numpy(), mean.cpu().numpy())
        mean = torch.from_numpy(np.asarray(own, np.float32)).to(x.device)
    return mean.contiguous()


@contextmanager
def counted_by_network(classifier: Classifier) -> Iterator[None]:
    """Count the passes of a block at the network itself, in the place of the classifier.

    Classes of ART that make a classifier of their own from the network's are counted, too.
    """
    gradients, forwards = classifier.gradients, classifier.forwards
    counts = {"gradients": 0, "forwards": 0}

    def passed(module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        n = first = len(inputs[0])
        counts["forwards"] += n

        def returned(grad: Tensor) -> None:
            nonlocal first
            counts["gradients"] += n
            counts["forwards"] -= first
            first = 0

        if logits.requires_grad:
            logits.register_hook(returned)

    handle = classifier.model.register_forward_hook(passed)
    try:
        yield
    finally:
        handle.remove()
        classifier.gradients = gradients + counts["gradients"]
        classifier.forwards = forwards + counts["forwards"]
