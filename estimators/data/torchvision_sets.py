"""Data sets of torchvision: its own files, its download, or an npz archive in their place.

torchvision compares CIFAR-10's files with their MD5 at each read. Of MNIST it knows only the MD5 of
the archives, and reads an unpacked file with a flipped bit without an error: `OFFICIAL` catches it.
"""

from __future__ import annotations

import hashlib
import importlib
from functools import partial
from pathlib import Path

import numpy as np

from estimators.bounded import bounded_bytes
from estimators.data.files import from_npz
from estimators.data.images import Images, Split, nchw
from estimators.data.registry import DATASETS
from estimators.errors import DataUnavailable, InputError

# SHA-256 of the unpacked files of http://yann.lecun.com/exdb/mnist
OFFICIAL = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}


def _load(name: str, class_name: str, split: Split, folder: Path) -> Images:
    """Return a split of a data set: from `<name>.npz` where the folder has it."""
    classes = DATASETS[name].classes
    archive = folder / f"{name}.npz"
    if archive.is_file():
        return from_npz(archive, split, classes)
    if name == "mnist":
        check_official(folder, split)
    # imported for these files alone: it takes a second
    factory = getattr(importlib.import_module("torchvision.datasets"), class_name)
    train = split == "train"
    try:
        dataset = factory(str(folder), train=train, download=False)
    except (RuntimeError, OSError, ValueError):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            dataset = factory(str(folder), train=train, download=True)
        except Exception as error:
            # the mirrors fail in many ways (RuntimeError, URLError, timeouts); all mean the same
            raise DataUnavailable(
                f"data set {name!r}: not in {folder} and the download failed"
                f" ({type(error).__name__}); put {name}.npz or torchvision's files there,"
                " or name another folder with --data-dir"
            ) from error
    pixels = np.asarray(dataset.data)
    labels = np.asarray(dataset.targets, dtype=np.int64)
    return Images(nchw(pixels, name), labels, np.arange(len(labels), dtype=np.int64), classes)


def _is_official(path: Path, expected: str) -> bool:
    try:
        content = bounded_bytes(path)
    except ValueError:
        return False  # larger than any of them
    return hashlib.sha256(content).hexdigest() == expected


def check_official(folder: Path, split: str) -> None:
    """Raise InputError for an existing file of a split of MNIST that is not the official one."""
    for file, expected in OFFICIAL.items():
        path = folder / "MNIST" / "raw" / file
        if file.startswith("train") != (split == "train") or not path.is_file():
            continue
        if not _is_official(path, expected):
            raise InputError(
                f"data file {path}: damaged or changed (its SHA-256 is not that of the official"
                " file); delete it and it is downloaded again, or put mnist.npz beside it"
            )


mnist = partial(_load, "mnist", "MNIST")
cifar10 = partial(_load, "cifar10", "CIFAR10")
fashion_mnist = partial(_load, "fashion_mnist", "FashionMNIST")
