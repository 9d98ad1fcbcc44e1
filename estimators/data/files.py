"""Images from npz archives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from estimators.data.archive import (
    LARGEST_LABELS,
    LARGEST_NAMES,
    check_count,
    listing,
    member,
    members,
)
from estimators.data.archive_rows import ArchiveSource, is_large
from estimators.data.images import Images, Split, checked_images
from estimators.data.labels import MOST_CLASSES, MOST_IMAGES
from estimators.data.streamed import Streamed
from estimators.errors import InputError

# names of images and labels in use; the first are this project's own, {} is the split
NAMES = (("x_{}", "y_{}"), ("{}_x", "{}_y"), ("{}_images", "{}_labels"), ("{}_data", "{}_labels"))
# without a split: these are test images
NAMES_OF_TEST = (
    ("x", "y"),
    ("images", "labels"),
    ("image", "label"),
    ("data", "labels"),
    ("data", "target"),
    ("inputs", "targets"),
    ("arr_0", "arr_1"),
)
# of the indices, with a split before or behind it where the images have one
INDICES = ("ids", "idx", "indices", "index", "id")


def from_npz(path: Path, split: Split, classes: tuple[str, ...] | None = None) -> Images:
    """Read a split from an archive; nothing in it is unpickled.

    The arrays are `x_<split>` and `y_<split>`, and optionally `idx_<split>` and `classes`; other
    usual names are known too (`NAMES`, `INDICES`). Images above `archive_rows.LARGE` bytes stay on
    disk.

    classes: names of the classes, where the archive has none.

    Raises InputError for a missing or damaged file, and for arrays that are no images.
    """
    where = f"data file {path}"
    if not path.is_file():
        raise InputError(f"{where}: no such file; name one with x_test and y_test")
    try:
        found = members(path)
        pixels, labels, indices = _names(list(found), split, where)
        stored = check_count(member(path, pixels, found[pixels]), MOST_IMAGES, "images")
        own = member(path, labels, found[labels], LARGEST_LABELS)
        y = check_count(own, MOST_IMAGES, "labels").read()
        ids = np.arange(y.shape[0] if y.ndim else 1)
        if indices is not None:
            own = member(path, indices, found[indices], LARGEST_LABELS)
            ids = check_count(own, MOST_IMAGES, "indices").read()
        if "classes" in found:
            own = member(path, "classes", found["classes"], LARGEST_NAMES)
            if math.prod(own.shape) > MOST_CLASSES:
                raise InputError(
                    f"{where}: classes has {math.prod(own.shape):,} names, expected at most"
                    f" {MOST_CLASSES:,}"
                )
            names = own.read()
            if names.dtype.kind == "S":
                names = np.char.decode(names, "utf-8")
            classes = tuple(str(c) for c in names.ravel())
        if is_large(stored):
            rows = np.arange(stored.shape[0], dtype=np.int64)
            return checked_images(Streamed(ArchiveSource(stored), rows), y, ids, classes, where)
        x = stored.read()
    except InputError:
        raise
    except Exception as error:
        # zipfile, zlib, struct and numpy each raise their own for a damaged archive
        raise InputError(f"{where}: cannot be read ({type(error).__name__}: {error})") from error
    return checked_images(x, y, ids, classes, where)


def _names(held: list[str], split: Split, where: str) -> tuple[str, str, str | None]:
    """Return the names of images, labels and indices among the arrays; None without indices."""
    lower = {name.lower(): name for name in held}
    of_split = [(x.format(split), y.format(split)) for x, y in NAMES]
    for x, y in (*of_split, *(NAMES_OF_TEST if split == "test" else ())):
        if x in lower and y in lower:
            shapes = ("{}_" + split, split + "_{}") if (x, y) in of_split else ("{}",)
            indices = [shape.format(name) for name in INDICES for shape in shapes]
            indices += ["arr_2"] if x == "arr_0" else []
            return lower[x], lower[y], next((lower[i] for i in indices if i in lower), None)
    own = of_split[0]
    missing = [name for name in own if name not in lower]
    raise InputError(
        f"{where}: lacks the array {', '.join(missing)}; it holds {listing(held)}, expected"
        f" {own[0]} and {own[1]}, or images and labels"
    )
