"""From the name of a data set to its images."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from estimators.data.geometry import hf_choices, split_options
from estimators.data.images import Images, Split, checked_images
from estimators.data.known import unknown_dataset
from estimators.data.registry import DATASETS, FILES
from estimators.entries import DatasetEntry
from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.plugins import builder, describe_error, entry_of
from estimators.user_cache import user_cache


def load_images(name: str, split: Split, data_dir: Path | None = None) -> Images:
    """Return one split of a data set by name.

    `imagefolder:PATH` may end in `[resize=256,crop=224]`, see `geometry.split_options`. A file
    `<name>.npz` in the data directory is read in place of torchvision's files. A plug-in, or
    `package.module:function`, is called with split and data directory; it returns Images, arrays
    x and y, or a data set that `objects.from_object` reads. It may be such a data set itself.

    Raises InputError for an unknown name or broken data, DataUnavailable for data that are neither
    on disk nor downloadable.
    """
    folder = data_dir if data_dir is not None else default_data_dir()
    choices = hf_choices(name)
    name, geometry = split_options(name)
    kind, _, path = name.partition(":")
    if kind in FILES and path:
        read_file: Callable[..., Images] = FILES[kind].load()
        options: dict[str, Any] = {} if geometry is None else {"geometry": geometry}
        options |= {"choices": choices} if choices else {}
        return read_file(Path(path), split, **options)
    if name in DATASETS:
        read: Callable[[Split, Path], Images] = DATASETS[name].load()
        return read(split, folder)
    external = builder("datasets", name)
    if external is None:
        raise unknown_dataset(name)
    return _call(external, name, split, folder)


def image_shape(name: str, data_dir: Path | None = None) -> tuple[tuple[int, int, int], int]:
    """Return shape (C, H, W) and number of classes of a data set, without its files if known."""
    known = known_shape(name)
    if known is not None:
        return known
    images = load_images(name, "test", data_dir)
    return images.shape, len(images.classes)


def known_shape(name: str) -> tuple[tuple[int, int, int], int] | None:
    """Return shape and number of classes of a data set whose entry says them, else None."""
    kind, _, path = name.partition(":")
    named = kind in FILES and path
    entry = None if named else entry_of("datasets", name, DATASETS, DatasetEntry)
    if entry is None or entry.shape is None:
        return None
    return entry.shape, len(entry.classes)


def default_data_dir() -> Path:
    """Return `BENCH_DATA_DIR`, or a folder in this user's cache."""
    named = os.environ.get("BENCH_DATA_DIR")
    return Path(named) if named else user_cache() / "data"


def _call(external: Any, name: str, split: Split, folder: Path) -> Images:
    """Return the images of an external function, class or data set, checked."""
    # inside: they import torch
    from estimators.data.handed.objects import from_object, is_dataset

    where = f"data set {name}"
    try:
        result = external
        if not is_dataset(external) and callable(external):
            with contained():
                result = _made(external, split, folder)
    except InputError:
        raise
    except Exception as error:
        # external code may raise anything
        raise InputError(f"{where}: its function failed ({describe_error(error)})") from error
    if isinstance(result, Images):
        return checked_images(result.pixels, result.y, result.ids, result.classes, where)
    if is_dataset(result):
        return from_object(result, where)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise InputError(
            f"{where}: expected Images, arrays (x, y) or a data set with __len__ and __getitem__,"
            f" got {type(result).__name__}"
        )
    pixels, labels = np.asarray(result[0]), np.asarray(result[1])
    return checked_images(pixels, labels, np.arange(len(labels)), None, where)


def _made(external: Callable[..., object], split: Split, folder: Path) -> object:
    """Return what a function or a class makes of a split.

    Arguments of a known name get what it says, as those of torchvision's data sets: `root`,
    `train`, `split`, `data_dir`. A function with two other arguments gets split and folder.
    """
    offered: dict[str, object] = {
        "split": split,
        "train": split == "train",
        "root": str(folder),
        "data_dir": folder,
        "folder": folder,
    }
    try:
        parameters = list(inspect.signature(external).parameters.values())
    except (TypeError, ValueError):
        return external(split, folder)
    known = {p.name: offered[p.name] for p in parameters if p.name in offered}
    if isinstance(external, type):
        return external(**known)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = [p for p in parameters if p.kind in plain]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return external(split, folder)
    if not takes or (known and all(p.name in known or p.default is not p.empty for p in takes)):
        return external(**known)
    return external(*(split, folder)[: len(takes)])
