"""Data sets of torchvision: its own files, its download, or an npz archive in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchvision import datasets

from estimators.data.arrays import nchw
from estimators.data.checksums import check_official
from estimators.data.images import Images, Split
from estimators.data.npz import from_npz
from estimators.data.registry import DATASETS
from estimators.errors import DataUnavailable


def mnist(split: Split, folder: Path) -> Images:
    """Return a split of MNIST."""
    return _load("mnist", "MNIST", split, folder)


def cifar10(split: Split, folder: Path) -> Images:
    """Return a split of CIFAR-10."""
    return _load("cifar10", "CIFAR10", split, folder)


def fashion_mnist(split: Split, folder: Path) -> Images:
    """Return a split of Fashion-MNIST."""
    return _load("fashion_mnist", "FashionMNIST", split, folder)


def _load(name: str, class_name: str, split: Split, folder: Path) -> Images:
    classes = DATASETS[name].classes
    archive = folder / f"{name}.npz"
    if archive.is_file():
        return from_npz(archive, split, classes)
    check_official(name, folder, split)
    factory = getattr(datasets, class_name)
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
