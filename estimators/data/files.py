"""Images from files and arrays of others, checked: npz archives, image folders, functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from estimators.data.images import Images
from estimators.errors import InputError

Split = Literal["train", "test"]
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def from_npz(path: Path, split: Split, classes: tuple[str, ...] | None) -> Images:
    """A split from the arrays `x_<split>`, `y_<split>` and, where there are, `idx_<split>` and
    `classes` of an archive; nothing in it is unpickled."""
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
    return checked(pixels, labels, ids, classes, where)


def from_folder(root: Path, split: Split) -> Images:
    """Images in one folder a class, under `root/<split>` where that exists, else under `root`."""
    from PIL import Image

    where = root / split if (root / split).is_dir() else root
    if not where.is_dir():
        raise InputError(f"image folder {root}: no such folder; name one with a folder a class")
    classes = tuple(sorted(p.name for p in where.iterdir() if p.is_dir()))
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((where / name).iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise InputError(f"image folder {where}: no images (wanted: one folder a class)")
    pixels = []
    for path, _ in files:
        try:
            with Image.open(path) as image:
                mode = "L" if image.mode in ("1", "L", "I", "I;16") else "RGB"
                pixels.append(np.asarray(image.convert(mode)))
        except Exception as error:
            # Pillow's decoders raise OSError, SyntaxError, DecompressionBombError and others
            raise InputError(
                f"image {path}: cannot be read ({type(error).__name__}); take it away"
            ) from error
        if pixels[-1].shape != pixels[0].shape:
            raise InputError(
                f"image {path}: shape {list(pixels[-1].shape)} differs from the first image's"
                f" {list(pixels[0].shape)}; all must be alike"
            )
    labels = np.array([label for _, label in files], dtype=np.int64)
    return checked(np.stack(pixels), labels, np.arange(len(labels)), classes, str(where))


def from_code(found: Any, where: str) -> Images:
    """What a function of others gave: Images, or arrays (x, y)."""
    if isinstance(found, Images):
        return checked(found.pixels, found.y, found.ids, found.classes, where)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise InputError(f"{where}: gave {type(found).__name__}, wanted Images or arrays (x, y)")
    pixels, labels = np.asarray(found[0]), np.asarray(found[1])
    return checked(pixels, labels, np.arange(len(labels)), None, where)


def checked(
    pixels: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    ids: npt.NDArray[Any],
    classes: tuple[str, ...] | None,
    where: str,
) -> Images:
    """Arrays as Images; InputError that begins with `where` for what cannot be."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{where}: y must be one integer an image, found {labels.dtype}")
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or ids.dtype == np.uint64:
        raise InputError(f"{where}: idx must be one integer an image, found {ids.dtype}")
    if pixels.ndim == 0 or not pixels.size:
        raise InputError(f"{where}: x has no pixels, found {list(pixels.shape)}; name another file")
    if not len(pixels) == len(labels) == len(ids) or len(labels) == 0:
        raise InputError(
            f"{where}: x, y and idx differ in length: {len(pixels)}, {len(labels)}, {len(ids)}"
        )
    if labels.min() < 0:
        raise InputError(f"{where}: y has the negative class {labels.min()}")
    if classes is None:
        classes = tuple(str(c) for c in range(int(labels.max()) + 1))
    if labels.max() >= len(classes):
        raise InputError(f"{where}: y has class {labels.max()}, but {len(classes)} are named")
    x = nchw(pixels, where)
    return Images(x, labels.astype(np.int64), ids.astype(np.int64), classes)


def nchw(pixels: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """Any of [N,H,W], [N,H,W,C], [N,C,H,W] as NCHW: grey levels stay uint8, floats in [0, 1]
    become float32."""
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[-1] in (1, 3) and pixels.shape[1] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise InputError(
            f"{where}: x must be [N,H,W], NHWC or NCHW with 1 or 3 channels,"
            f" found {list(pixels.shape)}"
        )
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError(f"{where}: x must be uint8 or float in [0, 1], found {pixels.dtype}")
    x = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{where}: x has NaN or infinite pixels")
    if x.min() < 0 or x.max() > 1:
        raise InputError(
            f"{where}: pixels from {x.min():g} to {x.max():g}, must lie in [0, 1]"
            " (divide by 255, leave out any normalisation)"
        )
    return x
