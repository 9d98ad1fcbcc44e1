"""The result of one cell, image by image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmark.certificates.certify import Certified


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
    more_clean, more_adversarial: [N, draws - 1], the classes predicted in the other scoring draws
        of a random defence; `clean` and `adversarial` are those of the first. None for one draw.
    images: the adversarial images [N, C, H, W] where the task keeps them, else None; uint8 if all
        of them are grey levels, else float32. The cells of one attack share them.
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
    more_clean: npt.NDArray[np.signedinteger[Any]] | None = None
    more_adversarial: npt.NDArray[np.signedinteger[Any]] | None = None
    images: npt.NDArray[Any] | None = None

    def drawn(self, name: Literal["clean", "adversarial"]) -> npt.NDArray[np.signedinteger[Any]]:
        """Return the classes [N, draws] predicted in each scoring draw."""
        more = getattr(self, f"more_{name}")
        columns = [getattr(self, name), *([] if more is None else [more])]
        return np.column_stack(columns)

    @classmethod
    def joined(cls, parts: Iterable[Outcome]) -> Outcome:
        """Join the chunks of one cell, in the order given; without images."""
        listed = list(parts)
        columns: dict[str, list[Any]] = {
            f.name: [getattr(part, f.name) for part in listed]
            for f in fields(cls)
            if f.name != "images"
        }
        joined = {k: None if v[0] is None else np.concatenate(v) for k, v in columns.items()}
        return cls(**joined)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Proved:
    """A certificate of some images.

    ids: official indices. label: true classes. found: what is proved of each.
    """

    ids: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    found: Certified

    @classmethod
    def joined(cls, parts: Iterable[Proved]) -> Proved:
        """Join the chunks of one certificate, in the order given."""
        listed = list(parts)
        ids, label = (
            np.concatenate([getattr(p, name) for p in listed]) for name in ("ids", "label")
        )
        names = [f.name for f in fields(Certified)]
        found = {n: np.concatenate([getattr(p.found, n) for p in listed]) for n in names}
        return cls(ids, label, Certified(**found))
