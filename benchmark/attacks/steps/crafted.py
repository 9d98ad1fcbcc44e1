"""What an attack returns, and the attacks of one step, which return it for many eps at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from torch import Tensor

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

    def copy(self) -> Batch:
        """Return a batch with memory of its own, which an external attack may write into."""
        y, labels, ids = self.y.copy(), self.labels.copy(), self.ids.copy()
        return Batch(self.x.copy(), y, labels, ids, self.seed)


@dataclass(frozen=True)
class Found:
    """What a `TensorAttack` leaves in its attribute `found` when `generate` ends.

    part: int16 [N], the part of a composite attack that broke the image, as an index into the
        attack's `parts`; -1 for none. None for an attack without parts.
    spent: float64 [N, 2], the gradients and the forward passes of each image; None where the mean
        holds for all.
    """

    part: npt.NDArray[np.int16] | None = None
    spent: npt.NDArray[np.float64] | None = None

    @classmethod
    def joined(cls, batches: Sequence[Found]) -> Found | None:
        """Join the batches of one attack, in the order given; None for no batches."""
        if not batches:
            return None
        columns = ([getattr(batch, field.name) for batch in batches] for field in fields(cls))
        return cls(*(None if c[0] is None else np.concatenate(c) for c in columns))


@dataclass(frozen=True)
class Crafted:
    """What an attack made of a batch.

    images: float32 [N, C, H, W], on the device of the classifier. Whether they are adversarial and
        within the budget is judged by the harness.
    zero_gradient: bool [N], True where the loss gradient at the clean image is zero in every pixel;
        False everywhere for an attack that computes no gradients.
    nan_gradient: bool [N], True where that gradient, or the one at the adversarial image, has NaN
        or infinite values.
    passes: mean per image, counted as if nothing were shared with other eps.
    found: what an attack in parts, or one that counts passes per image, says beside its images.
    """

    images: Tensor
    zero_gradient: BoolArray
    nan_gradient: BoolArray
    passes: Passes
    found: Found | None = None


class OneStep(ABC):
    """An attack that moves every image along one direction, which serves every eps."""

    @abstractmethod
    def direction(self, batch: Batch) -> tuple[Tensor, BoolArray]:
        """Return where each image moves [N, C, H, W], and whether its gradient is zero [N]."""

    @abstractmethod
    def step(self, x: Tensor, direction: Tensor, eps: float) -> Tensor:
        """Return images x [N, C, H, W] moved by eps along the direction, within [0, 1]."""
