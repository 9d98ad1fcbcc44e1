"""Images from npz archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from estimators.data.arrays import checked_images
from estimators.data.images import Images, Split
from estimators.errors import InputError


def from_npz(path: Path, split: Split, classes: tuple[str, ...] | None = None) -> Images:
    """Read a split from an archive; nothing in it is unpickled.

    The arrays are `x_<split>` and `y_<split>`, and optionally `idx_<split>` and `classes`.

    classes: names of the classes, where the archive has none.

    Raises InputError for a missing or damaged file, and for arrays that are no images.
    """
    where = f"data file {path}"
    if not path.is_file():
        raise InputError(f"{where}: no such file; name one with x_test and y_test")
    try:
        # NumPy leaves a damaged file open that it opened itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = {f"x_{split}", f"y_{split}"} - set(archive.files)
            if missing:
                raise InputError(f"{where}: lacks the array {', '.join(sorted(missing))}")
            pixels, labels = archive[f"x_{split}"], archive[f"y_{split}"]
            has_ids = f"idx_{split}" in archive.files
            ids = archive[f"idx_{split}"] if has_ids else np.arange(labels.size)
            if "classes" in archive.files:
                classes = tuple(str(c) for c in archive["classes"].ravel())
    except InputError:
        raise
    except Exception as error:
        # zipfile, zlib, struct and numpy each raise their own for a damaged archive
        raise InputError(f"{where}: cannot be read ({type(error).__name__}: {error})") from error
    return checked_images(pixels, labels, ids, classes, where)
