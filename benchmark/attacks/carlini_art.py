"""ART's own Carlini and Wagner L2 attack, with the same images from far fewer passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import CarliniL2Method
from art.utils import to_categorical

from benchmark.attacks.entry import Params
from benchmark.attacks.steps.checks import (
    FloatArray,
    Labels,
    as_budget,
    as_classifier,
    as_count,
    as_images,
    as_labels,
    as_positive,
)
from benchmark.attacks.steps.gradients import backward_is_identity
from estimators.classifier import BATCH, Classifier, channels_last


class CarliniL2Exact(CarliniL2Method):  # type: ignore[misc]
    """ART's CarliniL2Method, its faults included: every image equals ART's bit for bit.

    Parameters, algorithm and code are ART's; only the classifier computes faster (see
    `_SharedPasses`). `benchmark.attacks.carlini.CarliniL2` is the fixed attack.
    """

    def __init__(
        self, classifier: Classifier, batch_size: int = BATCH, verbose: bool = False, **params: Any
    ) -> None:
        """params: those of ART's class. Raises InputError for parameters out of range."""
        as_classifier(classifier)
        check_params(params)
        super().__init__(classifier, batch_size=batch_size, verbose=verbose, **params)
        if backward_is_identity(classifier):
            self._estimator = _SharedPasses(classifier)

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Return adversarial images; `TensorAttack.generate` describes x, y and the result."""
        images = as_images(x)
        classes = self.estimator.nb_classes
        one_hot = to_categorical(as_labels(y, len(images), classes), classes)
        return np.asarray(super().generate(images, one_hot), dtype=np.float32)


def check_params(params: Params) -> None:
    """Raise InputError for parameters that ART's class takes and fails with, or never ends."""
    as_budget(params.get("confidence", 0.0), "confidence")
    for name in ("learning_rate", "initial_const"):
        as_positive(params.get(name, 0.01), name)
    for name in ("binary_search_steps", "max_iter"):
        as_count(params.get(name, 1), name, 1)


class _SharedPasses:
    """A classifier for the attack with fewer passes and the same bits.

    ART runs a forward and a backward pass of the whole batch for each distinct label, for the added
    and again for the subtracted logit. Here the forward pass is shared, and one backward pass
    starts row i from the unit vector of label i, as row i sees it in ART's pass for that label.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.images: FloatArray | None = None
        self.leaf = self.logits = torch.empty(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.classifier, name)

    def class_gradient(self, x: FloatArray, label: npt.NDArray[np.int64]) -> FloatArray:
        """Return the gradient [N, 1, C, H, W] of the logit of each image's label."""
        self.classifier.gradients += len(x)
        if self.images is not x:
            self.images = x
            images = torch.from_numpy(x).to(self.classifier.torch_device)
            seen = channels_last(self.classifier.defended(images))
            self.leaf = seen.detach().requires_grad_(True)
            self.logits = self.classifier.network(self.leaf)
        rows = torch.zeros_like(self.logits)
        rows[torch.arange(len(x)), torch.from_numpy(np.asarray(label))] = 1.0
        (gradient,) = torch.autograd.grad(self.logits, self.leaf, rows, retain_graph=True)
        found = gradient.contiguous().cpu().numpy()[:, None]
        # with NaN or infinite values, the classifier takes it again
        return found if np.isfinite(found).all() else self.classifier.class_gradient(x, label)

    def predict(self, x: FloatArray, batch_size: int, **_: object) -> FloatArray:
        """Return logits [N, classes], computed in batches of the size that ART chooses."""
        self.classifier.forwards += len(x)
        with torch.inference_mode():
            images = torch.from_numpy(np.asarray(x, dtype=np.float32))
            images = self.classifier.defended(images.to(self.classifier.torch_device))
            parts = [self.classifier.network(channels_last(p)) for p in images.split(batch_size)]
        return torch.cat(parts).cpu().numpy()
