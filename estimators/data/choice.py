"""From the choice of images that a user makes to their places in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from estimators.data.samples import (
    ALL,
    BALANCED,
    FIRST,
    Samples,
    read_ids,
    shown_samples,
    split_count,
    split_file,
)
from estimators.errors import InputError

IntArray = npt.NDArray[np.int64]


def chosen_rows(
    y: IntArray,
    ids: IntArray,
    samples: Samples,
    seed: int,
    classes: Sequence[str] = (),
    of: str = "the data set",
) -> IntArray:
    """Return the places of the images that `samples` chooses, in the order in which they count.

    A number takes the beginning of `stratified_order`, and `balanced:N` the first N of each class
    in that order; `first:N` and `all` take the data set's order and that order; a file of ids
    takes its own.

    y, ids: labels and official indices [N]. classes: their names. of: names the data set in
        messages.

    Raises InputError for more images than there are, and for ids that the data set does not have.
    """
    form, count = split_count(str(samples))
    if samples == ALL:
        return stratified_order(y, seed)
    if form == FIRST or isinstance(samples, int):
        number = count if form == FIRST else int(samples)
        if not 1 <= number <= len(y):
            raise InputError(f"samples: {samples} requested, but {of} has {len(y)} images")
        return np.arange(number) if form == FIRST else stratified_order(y, seed)[:number]
    if form == BALANCED:
        return _balanced(y, count, seed, classes, of)
    return _listed(ids, samples, of)


def stratified_order(y: IntArray, seed: int) -> IntArray:
    """Return a seeded order of all images of which every beginning is stratified by class.

    Each class is shuffled, then the classes are interleaved in proportion to their sizes.
    RandomState is frozen by NumPy's policy (NEP 19), so the order is the same in every version.
    """
    random = np.random.RandomState(seed)
    position = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        # one jitter per class, so that classes of equal size take turns
        share = (np.arange(len(members)) + random.uniform(0.0, 1.0)) / len(members)
        position[random.permutation(members)] = share
    return np.argsort(position, kind="stable").astype(np.int64)


def _balanced(y: IntArray, count: int, seed: int, classes: Sequence[str], of: str) -> IntArray:
    """Return the places of the first images of each class that has any, in a stratified order."""
    labels, sizes = np.unique(y, return_counts=True)
    if len(sizes) and int(sizes.min()) < count:
        least = int(sizes.argmin())
        label = int(labels[least])
        name = f" ({classes[label]})" if label < len(classes) else ""
        raise InputError(
            f"samples: {BALANCED}:{count} requested, but class {label}{name} of {of} has"
            f" {sizes[least]} images; at most {BALANCED}:{sizes[least]}"
        )
    order = stratified_order(y, seed)
    kept = np.zeros(len(y), dtype=np.bool_)
    for label in labels:
        kept[order[y[order] == label][:count]] = True
    balanced: IntArray = order[kept[order]]
    return balanced


def _listed(ids: npt.NDArray[Any], samples: str, of: str) -> IntArray:
    """Return the places of the images of a file of ids, in the order of the file."""
    path, _ = split_file(samples)
    wanted = np.array(read_ids(path), dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids[order], wanted).clip(max=max(len(ids) - 1, 0))
    rows: IntArray = order[at].astype(np.int64)
    absent = wanted[ids[rows] != wanted]
    if len(absent):
        raise InputError(
            f"samples: {shown_samples(samples)}: {of} has no image of id {absent[0]}"
            f" ({len(absent)} of {len(wanted)} ids are missing); its ids run from {ids.min()} to"
            f" {ids.max()}"
        )
    return rows
