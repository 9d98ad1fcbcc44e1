"""What every attack is given, and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from benchmark.attacks.entry import Passes
from benchmark.attacks.steps.checks import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Batch:
    """Images to attack.

    x: float32 [N, C, H, W] in [0, 1]. y: true labels [N].
    labels: [N], given to the attack: the true labels, or the targets of a targeted attack.
    ids: official indices [N]. seed: of the cell. Both decide what is random, image by image.
    """

    x: FloatArray
    y: IntArray
    labels: IntArray
    ids: IntArray
    seed: int


@dataclass(frozen=True)
class Crafted:
    """What an attack made of a batch.

    images: float32 [N, C, H, W], on the device of the classifier. Whether they are adversarial and
        within the budget is judged by the harness.
    zero_gradient: bool [N], True where the loss gradient at the clean image is zero in every pixel;
        False everywhere for an attack that computes no gradients.
    passes: mean per image, counted as if nothing were shared with other eps.
    """

    images: torch.Tensor
    zero_gradient: BoolArray
    passes: Passes


class Attack(Protocol):
    """An attack on one classifier, ready for batches."""

    def craft(self, batch: Batch, budgets: Sequence[float | None]) -> Iterator[Crafted]:
        """Yield the adversarial images of each eps in turn; None for an attack without eps.

        The classifier counts passes since its last `reset_counts`, before the attack was built.
        """
        ...
