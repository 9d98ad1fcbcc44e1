"""What the attacks on tensors have in common: checks, batches, chance by image, success."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator

from benchmark.attacks.steps.batches import batches, joined
from benchmark.attacks.steps.checks import FloatArray, IntArray, Labels, as_classifier, as_flag
from estimators.classifier import BATCH, Classifier

Streams = Sequence[np.random.Generator]
# An attack that comes as near as it can counts an image as adversarial only when the wrong logit
# leads by this share of the largest logit. A tie on the boundary does not count: another batch size
# or a folded batch norm rounds logits differently, by about 1e-6 of the largest, and would flip the
# verdict.
LEAD = 1e-4


class TensorAttack(EvasionAttack):  # type: ignore[misc]
    """An attack of ART's kind that never leaves the device and draws for each image by itself.

    Unlike ART's classes, which draw from NumPy's global state (HopSkipJump from the operating
    system): the same image gets the same random numbers in whatever batch it comes.
    """

    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(self, estimator: Classifier, targeted: bool = False) -> None:
        super().__init__(estimator=as_classifier(estimator))
        self._targeted = as_flag(targeted, "targeted")

    def generate(
        self,
        x: FloatArray,
        y: Labels | None = None,
        ids: IntArray | None = None,
        seed: int = 0,
        part: int = 0,
    ) -> FloatArray:
        """Adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        ids, seed, part: decide what is random for each image; ids are 0 to N - 1 by default.
        """
        names = np.arange(len(x)) if ids is None else ids
        streams = [image_stream(seed, int(i), part) for i in names]
        found = []
        for at, (images, labels) in enumerate(batches(self.estimator, x, y, BATCH)):
            found.append(self.attack(images, labels, streams[at * BATCH : (at + 1) * BATCH]))
        return joined(found)

    @abstractmethod
    def attack(self, x: torch.Tensor, y: torch.Tensor, streams: Streams) -> torch.Tensor:
        """One batch: images [N, C, H, W], labels or targets [N], and a stream for each image."""

    def margin(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """How far images [N, C, H, W] are from success, in logits [N]; below zero is success."""
        self.estimator.forwards += len(x)
        return self.lead(self.estimator.logits(self.estimator.defended(x)), y)

    def lead(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The margin [N] of logits [N, classes]: z_y less the largest other, or its negative."""
        own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
        return lead(logits, own, self.targeted)


def lead(logits: torch.Tensor, own: torch.Tensor, targeted: bool) -> torch.Tensor:
    """What keeps images from success [N]: the label's logit less the largest other.

    logits: [N, classes]. own: bool [N, classes], True at the label, or at the target if targeted;
        then it is the largest other logit less the target's.
    """
    label, other = logits[own], logits.masked_fill(own, -math.inf).amax(1)
    return other - label if targeted else label - other


def image_stream(seed: int, image: int, part: int) -> np.random.Generator:
    """The random numbers of one image in one attack, or one part of an attack of several.

    The third word of Philox's counter is part + 1: the noise control has 0 there, and the draws
    of randomised defences differ in the fourth.
    """
    return np.random.Generator(np.random.Philox(key=[seed, image], counter=[0, 0, part + 1, 0]))


def uniform(streams: Streams, shape: torch.Size, device: torch.device) -> torch.Tensor:
    """float32 [N, *shape], uniform in [-1, 1)."""
    drawn: npt.NDArray[np.float32] = np.stack(
        [stream.random(tuple(shape), dtype=np.float32) for stream in streams]
    )
    return torch.from_numpy(2 * drawn - 1).to(device)
