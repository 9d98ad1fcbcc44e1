"""Training and test split of a data set: the same classes, and images of one shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from estimators.data.geometry import FOLDER
from estimators.data.images import Images
from estimators.data.load import known_shape, load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.checkpoints import shipped_file


def check_splits(train: Images, test: Images, dataset: str) -> None:
    """Raise InputError, with the first difference, where a network of one split misfits the other.

    Classes that are counted from the labels need no names; of these the training split may have
    more.
    """
    where = f"data set {dataset}"
    if train.shape != test.shape:
        raise InputError(
            f"{where}: images of the training split have the shape {list(train.shape)}, those of"
            f" the test split {list(test.shape)} (channels, height, width); give them one shape"
        )
    if _counted(train) or _counted(test):
        trained, tested = len(train.classes), len(test.classes)
        if trained < tested or (trained > tested and not _counted(test)):
            raise InputError(
                f"{where}: the training split has {trained} classes, the test split {tested}; give"
                " them the same classes"
            )
        return
    if train.classes == test.classes:
        return
    advice = "give both splits the same classes, in one order"
    if dataset.startswith(f"{FOLDER}:"):
        advice += " (empty folders, or the lines of a file classes.txt beside the splits, are some)"
    raise InputError(f"{where}: {_difference(train, test)}; {advice}")


def as_trained(test: Images, dataset: str, network: Spec, data_dir: Path | None) -> Images:
    """Return the test images of a network that is trained here, with the classes of its training.

    The images stay as they are for a data set whose shape and classes are known without its files:
    its training compares the splits.

    Raises InputError where there is no training split, or another one (`check_splits`).
    """
    if known_shape(dataset) is not None or shipped_file(dataset, network).is_file():
        return test
    train = load_images(dataset, "train", data_dir)
    check_splits(train, test, dataset)
    if len(train.classes) == len(test.classes):
        return test
    counts = f"{len(train.classes)} classes as in the training split"
    note = f"{counts} (the largest label of the test split is {len(test.classes) - 1})"
    return replace(
        test, classes=train.classes, class_source=train.class_source, notes=(*test.notes, note)
    )


def _counted(images: Images) -> bool:
    return images.class_source == "labels"


def _difference(train: Images, test: Images) -> str:
    for own, other, name in ((test, train, "test"), (train, test, "training")):
        for label in own.classes:
            if label not in other.classes:
                return f"only the {name} split has the class {label!r}"
    pairs = zip(train.classes, test.classes, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), 0)
    return (
        f"class {at} is {train.classes[at]!r} in the training split and {test.classes[at]!r} in"
        " the test split"
    )
