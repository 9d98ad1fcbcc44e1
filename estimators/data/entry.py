"""The row of a data set in the registry; plug-ins use it too."""

from __future__ import annotations

from dataclasses import dataclass

from estimators.entries import Entry


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Entry):
    """A data set: `build` names a function of split ("train" or "test") and data directory.

    It returns `data.images.Images`, or arrays x and y.

    shape: of one image (C, H, W), where it is known without the files; else None.
    classes: names of the classes in the order of the labels; () where they are not known.
    """

    shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()
