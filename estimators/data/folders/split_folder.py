"""Which folder of an image folder holds the photos of a split."""

from __future__ import annotations

import os
from pathlib import Path

from estimators.data.folders.class_order import is_hidden
from estimators.data.images import Split
from estimators.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif",
                  ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")  # fmt: skip
TRAIN, TEST = "train", "test"
# what is tested on where there is no `test`, the best name first
VALIDATION = ("val", "validation", "valid")


def split_folder(root: Path, split: Split) -> Path:
    """Return the folder with the folders of the classes of a split; case counts for nothing.

    For `test` it is `test`, else `val`, `validation` or `valid` beside `train` or alone, else the
    root itself. A folder with photos in it and no folders is a class of that name, and no split.

    Raises InputError for `train` without such a folder, since a network would be trained on the
    images that it is tested on; and for `test` where there is a `train` alone. OSError where the
    root cannot be listed.
    """
    found = _split_folders(root)
    if split == TRAIN:
        if TRAIN in found:
            return found[TRAIN]
        raise InputError(
            f"image folder {root}: has no folder train, and no network is trained on its test"
            " images; put photos into train/CLASS beside test/CLASS, or take a trained network"
            " (weights=FILE)"
        )
    for name in (TEST, *VALIDATION):
        if name in found and (name == TEST or TRAIN in found or len(_visible(root)) == 1):
            return found[name]
    if TRAIN in found and len(_visible(root)) == 1:
        raise InputError(
            f"image folder {root}: has {found[TRAIN].name}/ and neither test/ nor val/; add one of"
            f" them, or name {found[TRAIN]} to attack the photos in it"
        )
    return root


def train_folder(root: Path) -> Path | None:
    """Return the folder of the training split; None where there is none."""
    return _split_folders(root).get(TRAIN)


def _split_folders(root: Path) -> dict[str, Path]:
    """Return the folders named as splits, by their names in lower case."""
    found: dict[str, Path] = {}
    # the exact name last: it is taken where several differ in case
    for name in sorted(_visible(root), key=lambda name: (name == name.lower(), name)):
        if name.lower() in (TRAIN, TEST, *VALIDATION) and _holds_no_photos(root / name):
            found[name.lower()] = root / name
    return found


def _visible(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [e.name for e in entries if e.is_dir() and not is_hidden(e.name)]


def _holds_no_photos(folder: Path) -> bool:
    """Return whether a folder is no class: it holds folders, or no photo."""
    photo = False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                return True
            photo = photo or os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES
    return not photo
