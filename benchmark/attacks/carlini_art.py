"""ART's own Carlini and Wagner L2 attack, with the same images from far fewer passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import CarliniL2Method
from art.utils import to_categorical

from benchmark.attacks.fast_gradient import backward_is_identity
from benchmark.attacks.steps.checks import FloatArray, Labels, as_classifier, as_images, as_labels
from estimators.classifier import Classifier, channels_last


class CarliniL2Exact(CarliniL2Method):  # type: ignore[misc]
    """ART's CarliniL2Method, its faults included: every image equals ART's bit for bit.

    All parameters are ART's, and so are its algorithm and its code; only the classifier answers
    faster (see `_Answers`). For a mended attack see `benchmark.carlini.CarliniL2`.
    """

    def __init__(self, classifier: Classifier, verbose: bool = False, **params: Any) -> None:
        """params: those of ART's class. Raises ValueError or TypeError as ART does."""
        super().__init__(as_classifier(classifier), verbose=verbose, **params)
        if backward_is_identity(classifier):
            self._estimator = _Answers(classifier)

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        """
        images = as_images(x)
        labels = as_labels(y, len(images), self.estimator.nb_classes)
        one_hot = to_categorical(labels, self.estimator.nb_classes)
        found: FloatArray = super().generate(images, one_hot)
        return found


class _Answers:
    """What the attack asks of a classifier, answered with the least work and the same bits.

    ART runs one forward pass and one backward pass of the whole batch for each distinct label,
    for the added and again for the subtracted logit. Here the forward pass is shared, and one
    backward pass serves all labels: row i of the batch starts from the unit vector of label i,
    which is also what row i sees in ART's pass for that label.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.asked: FloatArray | None = None
        self.at = self.logits = torch.empty(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.classifier, name)

    def class_gradient(self, x: FloatArray, label: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Gradient [N, 1, C, H, W] of the logit of each image's label."""
        self.classifier.gradients += len(x)
        if self.asked is not x:
            self.asked = x
            images = torch.from_numpy(x).to(self.classifier.torch_device)
            self.at = channels_last(self.classifier.defended(images)).detach().requires_grad_(True)
            self.logits = self.classifier.network(self.at)
        rows = torch.zeros_like(self.logits)
        rows[torch.arange(len(x)), torch.from_numpy(np.asarray(label))] = 1.0
        (found,) = torch.autograd.grad(self.logits, self.at, rows, retain_graph=True)
        gradient: FloatArray = found.contiguous().cpu().numpy()
        return gradient[:, None]

    def predict(self, x: FloatArray, batch_size: int, **_: Any) -> FloatArray:
        """Logits [N, classes] in batches of the size that ART asks for."""
        self.classifier.forwards += len(x)
        with torch.inference_mode():
            images = self.classifier.defended(
                torch.from_numpy(np.asarray(x, dtype=np.float32)).to(self.classifier.torch_device)
            )
            parts = [self.classifier.network(channels_last(p)) for p in images.split(batch_size)]
        logits: FloatArray = torch.cat(parts).cpu().numpy()
        return logits
