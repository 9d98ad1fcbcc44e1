"""The result of one cell, image by image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Outcome:
    """One cell on some images; every array has one entry per image.

    ids: official indices. label: true classes. target: the labels given to the attack.
    clean, adversarial: predicted classes behind the defence, without and under attack; -1 where the
        network's outputs are not all finite. int16, or int32 for more than 32,768 classes.
    l2, linf: norms of the perturbation; pixels are in [0, 1].
    over: outside the budget or outside [0, 1].
    zero: the loss gradient that the attacker sees is zero in every pixel.
    nan: that gradient, or the one at the adversarial image, has NaN or infinite values.
    gradients, forwards: passes of the attack for this image, as if nothing were shared.
    l0, l1: norms of the perturbation; L0 counts the values (pixel and channel) that differ.
    part: the part of a composite attack that broke the image, as an index into its parts; -1 for
        none. None for an attack without parts.
    hits: number of scoring draws of a random defence in which the attacked image was right. None
        for one draw, where `adversarial` says it.
    """

    ids: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    clean: npt.NDArray[np.signedinteger[Any]]
    adversarial: npt.NDArray[np.signedinteger[Any]]
    l2: npt.NDArray[np.float32]
    linf: npt.NDArray[np.float32]
    over: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]
    nan: npt.NDArray[np.bool_]
    gradients: npt.NDArray[np.float64]
    forwards: npt.NDArray[np.float64]
    l0: npt.NDArray[np.float32]
    l1: npt.NDArray[np.float32]
    part: npt.NDArray[np.int16] | None = None
    hits: npt.NDArray[np.int16] | None = None

    @classmethod
    def joined(cls, parts: Iterable[Outcome]) -> Outcome:
        """Join the chunks of one cell, in the order given."""
        listed = list(parts)
        columns: dict[str, list[Any]] = {
            f.name: [getattr(part, f.name) for part in listed] for f in fields(cls)
        }
        joined = {k: None if v[0] is None else np.concatenate(v) for k, v in columns.items()}
        return cls(**joined)  # type: ignore[arg-type]
