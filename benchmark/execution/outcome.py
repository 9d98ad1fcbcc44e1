"""The result of one cell, image by image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Outcome:
    """One cell on some images; every array has one entry per image.

    ids: official indices. label: true classes. target: the labels given to the attack.
    clean, adversarial: predicted classes behind the defence, without and under attack.
    l2, linf: norms of the perturbation; pixels are in [0, 1].
    over: outside the budget or outside [0, 1].
    zero: the loss gradient that the attacker sees is zero in every pixel.
    gradients, forwards: passes of the attack for this image, as if nothing were shared.
    """

    ids: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    clean: npt.NDArray[np.int16]
    adversarial: npt.NDArray[np.int16]
    l2: npt.NDArray[np.float32]
    linf: npt.NDArray[np.float32]
    over: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]
    gradients: npt.NDArray[np.float64]
    forwards: npt.NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[Outcome]) -> Outcome:
        """Join the chunks of one cell, in the order given."""
        listed = list(parts)
        return cls(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(cls)))
