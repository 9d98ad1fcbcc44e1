"""Labels and indices as users store them, checked before anything is computed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from estimators.errors import InputError

AnyArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
# where the names and the order of the classes come from: names that stand in a file, the largest
# label, or the names of folders alone
ClassSource = Literal["names", "labels", "folders"]
MOST_CLASSES = 1_000_000
# classes that are counted up to the largest label: a network is built for as many
MOST_COUNTED = 100_000
# images of one set; a run keeps six numbers of 64 bits for each
MOST_IMAGES = 20_000_000
# entries of one-hot rows that are compared at once
_BLOCK = 1 << 24
# predictions.parquet keeps indices as int32
LARGEST_ID = 2**31 - 1


def checked_labels(
    labels: AnyArray, classes: tuple[str, ...] | None, where: str
) -> tuple[IntArray, tuple[str, ...], ClassSource]:
    """Return labels as int64 [N], the class names, and where these come from.

    labels: integers [N] or [N, 1], floats without a fraction, or one-hot rows [N, K].
    classes: the names; None to number the classes: up to K, or up to the largest label.

    Raises InputError that begins with `where` for other labels.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    source: ClassSource = "names"
    if labels.ndim == 2 and labels.dtype.kind in "buif" and labels.size:
        labels, count = _from_one_hot(labels, where), labels.shape[1]
        classes = classes or tuple(str(c) for c in range(count))
    y = _integers(labels, f"{where}: y must be one integer per image")
    if len(y) and y.min() < 0:
        advice = "; leave images without a label out" if y.min() == -1 else ""
        raise InputError(f"{where}: y has the negative class {y.min()}{advice}")
    most = int(y.max()) if len(y) else 0
    if classes is None:
        if most >= MOST_COUNTED:
            raise InputError(
                f"{where}: y has class {most}, expected fewer than {MOST_COUNTED:,} classes;"
                " number them 0, 1, 2, ..., or name each of them"
            )
        classes, source = tuple(str(c) for c in range(most + 1)), "labels"
    if most >= len(classes):
        raise InputError(f"{where}: y has class {most}, but {len(classes)} are named")
    return y, classes, source


def checked_ids(ids: AnyArray, where: str) -> IntArray:
    """Return indices as int64 [N]; InputError for negative, large, repeated or other ones."""
    if ids.ndim == 2 and ids.shape[1] == 1:
        ids = ids[:, 0]
    if ids.dtype.kind not in "iu":
        raise InputError(f"{where}: indices must be one integer per image, got {ids.dtype}")
    values = _integers(ids, f"{where}: indices must be one integer per image")
    if len(values) and not (values.min() >= 0 and values.max() <= LARGEST_ID):
        bad = values.min() if values.min() < 0 else values.max()
        raise InputError(f"{where}: has the index {bad}, expected 0 to {LARGEST_ID}")
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) < len(values):
        text = "each image needs an index of its own"
        raise InputError(f"{where}: has the index {unique[counts > 1][0]} more than once; {text}")
    return values


def _from_one_hot(labels: AnyArray, where: str) -> IntArray:
    """Return the position of the only 1 in each row of zeros."""
    found = np.empty(len(labels), np.int64)
    step = max(1, _BLOCK // labels.shape[1])
    for rows in (slice(at, at + step) for at in range(0, len(labels), step)):
        ones, zeros = labels[rows] == 1, labels[rows] == 0
        if not ((ones.sum(axis=1) == 1) & (zeros.sum(axis=1) == labels.shape[1] - 1)).all():
            raise InputError(
                f"{where}: y has the shape {list(labels.shape)} but not one 1 and zeros in each"
                " row; expected one integer per image, or one-hot rows"
            )
        found[rows] = ones.argmax(axis=1)
    return found


def _integers(values: AnyArray, expected: str) -> IntArray:
    if values.ndim != 1:
        raise InputError(f"{expected}, got the shape {list(values.shape)}")
    if values.dtype.kind == "f" and len(values):
        # written so that NaN fails
        if not (np.abs(values) < 2**53).all() or (values != np.floor(values)).any():
            raise InputError(f"{expected}, got {values.dtype} with fractions, NaN or infinity")
    elif values.dtype.kind == "u" and len(values) and values.max() > np.iinfo(np.int64).max:
        raise InputError(f"{expected}, got {values.max()}, which is beyond int64")
    elif values.dtype.kind not in "biuf":
        raise InputError(f"{expected}, got {_kind(values)}")
    return values.astype(np.int64)


def _kind(values: AnyArray) -> str:
    return {"U": "text", "S": "bytes", "O": "objects"}.get(values.dtype.kind, str(values.dtype))
