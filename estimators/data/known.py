"""The name of a data set, checked before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from estimators.data.geometry import split_options
from estimators.data.registry import DATASET_PATTERNS, DATASETS, FILES
from estimators.errors import InputError, check_utf8, unknown
from estimators.plugins import installed, is_plugin


def check_dataset(name: str) -> None:
    """Raise InputError for an unknown data set or option, and for a path that does not exist."""
    check_utf8("data set", name)
    bare, _ = split_options(name)
    family, _, path = bare.partition(":")
    if family in FILES and path:
        if not Path(path).exists():
            raise InputError(f"data set {bare}: no such file or folder; check the path")
    elif bare not in DATASETS and not is_plugin("datasets", bare):
        raise unknown_dataset(bare)


def unknown_dataset(name: str) -> InputError:
    """Return the error for a name that no data set has."""
    others = [found.name for found in installed("datasets")]
    return unknown("data set", name, [*DATASETS, *DATASET_PATTERNS, *others])
