"""Images from npz archives and from folders of image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from estimators.data.images import Images, Split, checked_images
from estimators.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


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


def from_folder(root: Path, split: Split) -> Images:
    """Read images from one folder per class, in `root/<split>` where that exists, else in `root`.

    Raises InputError for missing folders, unreadable images, and images that differ in size.
    """
    where = root / split if (root / split).is_dir() else root
    if not where.is_dir():
        raise InputError(f"image folder {root}: no such folder; name one with a folder per class")
    classes = tuple(sorted(p.name for p in where.iterdir() if p.is_dir()))
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((where / name).iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise InputError(f"image folder {where}: no images (expected one folder per class)")
    pixels = []
    for path, _ in files:
        try:
            with Image.open(path) as image:
                mode = "L" if image.mode in ("1", "L", "I", "I;16") else "RGB"
                pixels.append(np.asarray(image.convert(mode)))
        except Exception as error:
            # Pillow's decoders raise OSError, SyntaxError, DecompressionBombError and others
            raise InputError(
                f"image {path}: cannot be read ({type(error).__name__}); remove it"
            ) from error
        if pixels[-1].shape != pixels[0].shape:
            raise InputError(
                f"image {path}: shape {list(pixels[-1].shape)} differs from the first image's"
                f" {list(pixels[0].shape)}; all must be alike"
            )
    labels = np.array([label for _, label in files], dtype=np.int64)
    return checked_images(np.stack(pixels), labels, np.arange(len(labels)), classes, str(where))
