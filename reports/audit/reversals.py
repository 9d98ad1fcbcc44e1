"""Pairs of cells in which the stronger side does less harm than the weaker, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reports.results.predictions import pair
from reports.results.rows import Row
from reports.statistics.tests import adjust, fisher, mcnemar
from reports.worst_case.evidence import Evidence

# a rise counts at this level after the correction, and fails the check from this size on
LEVEL = 0.05
LARGE = 0.05
# images of pairs that are compared at once
BLOCK = 1 << 22


class Case(NamedTuple):
    """Two rows: the second should leave no more images right than the first."""

    weaker: Row
    stronger: Row


class Tested(NamedTuple):
    """A case with its test.

    weaker, stronger: as in Case. n: images that both rows have (the smaller number, if they cannot
    be paired). before, after: accuracy of the two on them. rise: after - before. p: adjusted for
    the number of cases. beyond: the rise is beyond chance.
    """

    weaker: Row
    stronger: Row
    n: int
    before: float
    after: float
    rise: float
    p: float
    beyond: bool


def reversals(evidence: Evidence, cases: Sequence[Case]) -> list[Tested]:
    """Test the cases of one check together.

    With predictions: exact McNemar test on the images that both rows have; else Fisher's exact
    test of two independent samples, which has less power. Both are two-sided, and only a rise
    counts. Holm's correction over all cases bounds the chance of any false alarm by LEVEL.
    """
    if not cases:
        return []
    counts = _paired(evidence, cases)
    sides = ("correct", "n")
    rows = [(*(a[s] for s in sides), *(b[s] for s in sides)) for a, b in cases]
    alone = np.array(rows, dtype=np.float64)
    both, lost, gained, _ = counts.T
    total = counts.sum(axis=1)
    paired = ~np.isnan(total)
    before = np.where(paired, (both + lost) / total, alone[:, 0] / alone[:, 1])
    after = np.where(paired, (both + gained) / total, alone[:, 2] / alone[:, 3])
    n = np.where(paired, total, np.minimum(alone[:, 1], alone[:, 3]))
    p = np.ones(len(cases))
    p[paired] = mcnemar(lost[paired], gained[paired])
    if not paired.all():
        p[~paired] = fisher(*alone[~paired].T)
    p = adjust(np.where(after > before, p, 1.0), "holm")
    numbers = zip(n, before, after, p, strict=True)
    return [
        Tested(*case, int(n), float(a), float(b), float(b - a), float(q), bool(q <= LEVEL))
        for case, (n, a, b, q) in zip(cases, numbers, strict=True)
    ]


def _paired(evidence: Evidence, cases: Sequence[Case]) -> npt.NDArray[np.float64]:
    """Return `pair`'s counts of each case [cases, 4]; NaN for one that cannot be paired.

    Nearly all rows have the same images in the same order: those are compared as one array.
    """
    groups: dict[tuple[bytes, bytes], list[npt.NDArray[np.bool_]]] = {}
    places: dict[int, tuple[tuple[bytes, bytes], int]] = {}
    for row in {row["number"]: row for case in cases for row in case}.values():
        scored = evidence.scored(row)
        if scored is not None:
            images = scored.ids.tobytes(), scored.label.tobytes()
            group = groups.setdefault(images, [])
            places[row["number"]] = images, len(group)
            group.append(scored.right)
    counts = np.full((len(cases), 4), np.nan)
    together: dict[tuple[bytes, bytes], list[tuple[int, int, int]]] = {}
    for number, (weaker, stronger) in enumerate(cases):
        a, b = places.get(weaker["number"]), places.get(stronger["number"])
        if a is None or b is None:
            continue
        if a[0] == b[0]:
            together.setdefault(a[0], []).append((number, a[1], b[1]))
            continue
        first, second = evidence.scored(weaker), evidence.scored(stronger)
        assert first is not None and second is not None
        pairs = pair(first, second)
        if not isinstance(pairs, str):
            counts[number] = pairs
    for images, listed in together.items():
        right = np.stack(groups[images])
        at, *sides = np.array(listed).T
        counts[at] = _counted(right, *sides)
    return counts


def _counted(
    right: npt.NDArray[np.bool_], a: npt.NDArray[np.intp], b: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """Return `predictions.counted` of many pairs [P, 4] of rows of right [rows, N], in blocks."""
    hits, n = right.sum(axis=1), right.shape[1]
    block = max(1, BLOCK // max(n, 1))
    parts = [slice(start, start + block) for start in range(0, len(a), block)]
    both = np.concatenate([(right[a[part]] & right[b[part]]).sum(axis=1) for part in parts])
    lost, gained = hits[a] - both, hits[b] - both
    return np.stack([both, lost, gained, n - both - lost - gained], axis=1)


def status(tested: Sequence[Tested]) -> str:
    """Return the verdict on some cases: a large rise beyond chance fails, a small one warns."""
    rises = [case.rise for case in tested if case.beyond]
    return "ok" if not rises else "fail" if max(rises) >= LARGE else "warn"


def worst(tested: Sequence[Tested]) -> Tested:
    """Return the case with the largest rise; those beyond chance come first."""
    return max(tested, key=lambda case: (case.beyond, case.rise))
