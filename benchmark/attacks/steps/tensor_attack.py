"""The base class of attacks on tensors: checks, batches, random streams per image, success."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator
from torch import Tensor

from benchmark.attacks.steps import checks
from benchmark.attacks.steps.checks import FloatArray, IntArray, Labels
from benchmark.attacks.steps.crafted import Found
from benchmark.attacks.steps.projections import lengths
from estimators.classifier import Classifier
from estimators.outputs import label_margin
from estimators.random_streams import stream

Streams = Sequence[np.random.Generator]
# An attack that searches for the nearest adversarial image counts an image as adversarial only when
# the wrong logit exceeds the label's by this share of the largest logit. A tie on the boundary does
# not count: another batch size or a folded batch norm rounds logits differently, by about 1e-6 of
# the largest, and would flip the prediction.
MIN_MARGIN = 1e-4
# steps that `reach` tries, as changes of a pixel if they were equal in all
TRIED = (0.001, 0.003, 0.01, 0.03, 0.1)


class TensorAttack(EvasionAttack):  # type: ignore[misc]
    """An attack with ART's interface that stays on the device and has a random stream per image.

    An image gets the same random numbers in any batch. ART's classes draw from NumPy's global
    state instead, and HopSkipJump from the operating system.

    found: what the last `generate` says beside its images; an attack in parts sets it for each
        batch in `attack`, and `generate` joins the batches.
    """

    found: Found | None = None

    _estimator_requirements = (BaseEstimator, ClassifierMixin)
    # which of its streams an image draws from; see `estimators.random_streams.stream`
    stream_part = 0

    def __init__(self, estimator: Classifier, targeted: bool = False) -> None:
        super().__init__(estimator=checks.as_classifier(estimator))
        self._targeted = checks.as_flag(targeted, "targeted")

    def generate(
        self, x: FloatArray, y: Labels | None = None, ids: IntArray | None = None, seed: int = 0
    ) -> FloatArray:
        """Return adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        ids, seed: decide what is random for each image; ids are 0 to N - 1 by default.
        """
        indices = range(len(x)) if ids is None else ids.tolist()
        streams = [stream(seed, image, "attack", self.stream_part) for image in indices]
        parts: list[Tensor] = []
        found: list[Found] = []
        size = self.estimator.batch
        for at, (images, labels) in enumerate(batches(self.estimator, x, y, size)):
            parts.append(self.attack(images, labels, streams[at * size : (at + 1) * size]))
            if self.found is not None:
                found.append(self.found)
        self.found = Found.joined(found)
        return joined(parts)

    @abstractmethod
    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Return the adversarial images of one batch.

        x: [N, C, H, W]. y: labels or targets [N]. streams: one per image.
        """

    def spent(self) -> Tensor | None:
        """Return the gradients and forward passes of each image of the last `attack`, int64 [N, 2].

        None where only their sum is known, as the classifier counts it.
        """
        return None

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logit margin [N] of images [N, C, H, W]; below zero they are adversarial."""
        self.estimator.forwards += len(x)
        return self.logit_margin(self.estimator.logits(self.estimator.defended(x)), y)

    def reach(self, x: Tensor, y: Tensor, direction: Tensor) -> Tensor:
        """Return the L2 norm [N] of the first step of TRIED that is adversarial; inf if none is.

        During `Classifier.margin_loss` gradients pass a squashing function unchanged, while outputs
        are squashed, so that no distance follows from the two.

        direction: [N, C, H, W], of any length.
        """
        side = math.sqrt(x[0].numel())
        towards = direction / lengths(direction).clamp_min(1e-12)
        found = torch.full_like(x[:, 0, 0, 0], math.inf)
        for share in TRIED:
            moved = (x + share * side * towards).clamp_(0, 1)
            hit = (self.margin(moved, y) < 0) & found.isinf()
            found = found.masked_fill(hit, share * side)
        return found

    def logit_margin(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the margin [N] of logits [N, classes] for labels, or targets, y [N]."""
        return label_margin(logits, y, self.targeted)


def uniform(streams: Streams, shape: torch.Size, device: torch.device) -> Tensor:
    """Return float32 [N, *shape], uniform in [-1, 1), from one stream per image."""
    drawn = np.stack([stream.random(tuple(shape), dtype=np.float32) for stream in streams])
    return torch.from_numpy(2 * drawn - 1).to(device)


def batches(
    classifier: Classifier, x: FloatArray, y: Labels | None, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return batches of images float32 [n, C, H, W] and labels int64 [n], in their order.

    x: in [0, 1]. y: int [N] or one-hot [N, classes]; never guessed. size: images per batch.

    Raises InputError for other images or labels, before the first batch.
    """
    images = checks.as_images(x)
    arrays = images, checks.as_labels(y, len(images), classifier.nb_classes)
    tensors = (torch.from_numpy(array).to(classifier.torch_device) for array in arrays)
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def joined(parts: list[Tensor]) -> FloatArray:
    """Return the images of all batches as one array [N, C, H, W]."""
    return torch.cat(parts).cpu().numpy()
