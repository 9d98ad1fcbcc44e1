"""Photos of ImageNet's classes in the data directory, as EfficientNet-Lite0 takes them."""

from __future__ import annotations

from pathlib import Path

from estimators.data.files import from_npz
from estimators.data.images import Images, Split
from estimators.data.load import load_images
from estimators.errors import DataUnavailable

NAME = "photos"
OPTIONS = "resize=256,crop=224,interpolation=bicubic"


def photos(split: Split, folder: Path) -> Images:
    """Return a split of `photos.npz`, or of the image folder `photos`, in the data directory.

    The folder has one folder per class below `test`, and `classes.tsv` with the order of the
    classes. The shorter side becomes 256 pixels (bicubic), of which the central 224 are used.

    Raises DataUnavailable where neither is there.
    """
    archive, root = folder / f"{NAME}.npz", folder / NAME
    if archive.is_file():
        return from_npz(archive, split)
    if not root.is_dir():
        raise DataUnavailable(
            f"data set {NAME}: no folder {root}; put photos in {NAME}/test/CLASS/ and the order of"
            f" the classes in {NAME}/classes.tsv, below the folder that --data-dir names"
        )
    return load_images(f"imagefolder:{root}[{OPTIONS}]", split, folder)
