"""Images from objects of other packages: data sets of torch, `datasets` and MAITE, and loaders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from estimators.data.geometry import Geometry
from estimators.data.handed import huggingface
from estimators.data.handed.items import Item, Items, read_items
from estimators.data.images import Images
from estimators.errors import InputError


def is_dataset(thing: object) -> bool:
    """Return whether an object can be read by `from_object`.

    It has `__len__` and `__getitem__` as torch's and MAITE's data sets do, or is an
    IterableDataset, a DataLoader or a data set of `datasets`.
    """
    if isinstance(thing, (type, str, bytes, dict, tuple)):
        return False
    by_position = hasattr(thing, "__len__") and hasattr(thing, "__getitem__")
    return by_position or isinstance(thing, (IterableDataset, DataLoader))


def from_object(thing: Any, where: str, geometry: Geometry | None = None) -> Images:
    """Return the images of a data set object, in its order.

    thing: a torch.utils.data.Dataset, IterableDataset or DataLoader, a MAITE data set (items of
        image, one-hot label, metadata), a sequence of (image, label), or a datasets.Dataset. The
        class names come from its `classes`, MAITE's `metadata["index2label"]`, or `ClassLabel`.
    where: what messages begin with, such as `data set mine:photos`.
    geometry: how images become images of one size; None takes them as they are.

    Raises InputError for other objects, and for items that are no images and labels.
    """
    if huggingface.is_hf_dataset(thing):
        return huggingface.from_hf(thing, where, geometry)
    if isinstance(thing, DataLoader):
        return _from_loader(thing, where, geometry)
    if not is_dataset(thing):
        raise InputError(
            f"{where}: expected a data set with __len__ and __getitem__ (items of image and"
            f" label), got {type(thing).__name__}"
        )
    return read_items(_items(thing, where), geometry)


def class_names(thing: object) -> tuple[str, ...] | None:
    """Return the class names of a data set, or of the one that a Subset is part of."""
    for _ in range(10):  # a Subset of a Subset
        names = getattr(thing, "classes", None)
        metadata = getattr(thing, "metadata", None)
        if names is None and isinstance(metadata, dict):
            names = _listed(metadata.get("index2label"))
        if isinstance(names, (list, tuple)) and names and all(isinstance(n, str) for n in names):
            return tuple(names)
        inner = getattr(thing, "dataset", None)
        if inner is None or isinstance(thing, DataLoader):
            return None
        thing = inner
    return None


def _items(thing: Any, where: str) -> Items:
    return Items(where, thing, _by_position(thing), class_names(thing))


def _by_position(thing: Any) -> bool:
    if isinstance(thing, IterableDataset) or not hasattr(thing, "__getitem__"):
        return False
    try:
        len(thing)
    except TypeError:
        return False
    return True


def _from_loader(loader: DataLoader[Any], where: str, geometry: Geometry | None) -> Images:
    """Return the images of a loader; of one that shuffles, in the order of its data set."""
    if isinstance(loader.sampler, RandomSampler):
        return from_object(loader.dataset, where, geometry)
    names = class_names(loader.dataset)
    return read_items(Items(where, _unbatched(loader, where), False, names), geometry)


def _unbatched(loader: DataLoader[Any], where: str) -> Iterator[Item]:
    for batch in loader:
        if loader.batch_size is None and loader.batch_sampler is None:
            yield batch
            continue
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            got = type(batch).__name__
            raise InputError(f"{where}: expected batches (images, labels), got {got}")
        yield from zip(batch[0], batch[1], strict=True)


def _listed(index2label: object) -> list[str] | None:
    """Return MAITE's labels, by number from 0 on, as a list; None where a number is missing."""
    if not isinstance(index2label, dict) or not index2label:
        return None
    if sorted(index2label) != list(range(len(index2label))):
        return None
    return [str(index2label[at]) for at in range(len(index2label))]
