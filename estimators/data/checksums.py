"""Check the files of a data set against the official ones, where torchvision does not.

torchvision compares CIFAR-10's files with their MD5 at each read. Of MNIST it knows only the MD5 of
the archives, and reads an unpacked file with a flipped bit without an error.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from estimators.errors import InputError

# SHA-256 of the unpacked files of http://yann.lecun.com/exdb/mnist, by split
OFFICIAL: dict[str, dict[str, dict[str, str]]] = {
    "mnist": {
        "test": {
            "MNIST/raw/t10k-images-idx3-ubyte": (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            "MNIST/raw/t10k-labels-idx1-ubyte": (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
        },
        "train": {
            "MNIST/raw/train-images-idx3-ubyte": (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
            ),
            "MNIST/raw/train-labels-idx1-ubyte": (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
            ),
        },
    }
}


def check_official(name: str, folder: Path, split: str) -> None:
    """Raise InputError for an existing file of a split that is not the official one."""
    for file, expected in OFFICIAL.get(name, {}).get(split, {}).items():
        path = folder / file
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise InputError(
                f"data file {path}: damaged or changed (its SHA-256 is not that of the official"
                f" file); delete it and it is downloaded again, or put {name}.npz beside it"
            )
