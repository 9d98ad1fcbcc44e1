"""Pairs of cells in which the stronger side does less harm than the weaker, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reports.results.predictions import pair
from reports.results.rows import Row
from reports.statistics.intervals import Floats
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


@dataclass(frozen=True, eq=False)
class Reversals:
    """The cases of a check with their tests: one value per case in each array [C].

    A run of 100,000 cells has a million cases: an object for each took 300 MB.

    n: images that both rows have (the smaller number, if they cannot be paired). before, after:
    accuracy of the weaker and the stronger row on them. p: adjusted for the number of cases.
    """

    cases: Sequence[Case]
    n: npt.NDArray[np.int64]
    before: Floats
    after: Floats
    p: Floats

    @property
    def rise(self) -> Floats:
        """Return by how much the accuracy of the stronger row is larger."""
        return self.after - self.before

    @property
    def beyond(self) -> npt.NDArray[np.bool_]:
        """Return which rises are beyond chance."""
        return self.p <= LEVEL

    def of(self, places: npt.NDArray[np.intp]) -> Reversals:
        """Return the cases at some places."""
        cases = [self.cases[place] for place in places]
        before, after, p = (values[places] for values in (self.before, self.after, self.p))
        return Reversals(cases, self.n[places], before, after, p)

    def status(self) -> str:
        """Return the verdict: a large rise beyond chance fails, a small one warns."""
        if not self.beyond.any():
            return "ok"
        return "fail" if self.rise[self.beyond].max() >= LARGE else "warn"

    def worst(self) -> int:
        """Return the place of the largest rise; those beyond chance come first."""
        among = self.beyond if self.beyond.any() else np.ones(len(self.cases), np.bool_)
        return int(np.argmax(np.where(among & ~np.isnan(self.rise), self.rise, -np.inf)))


def reversals(evidence: Evidence, cases: Sequence[Case]) -> Reversals:
    """Test the cases of one check together.

    With predictions: exact McNemar test on the images that both rows have; else Fisher's exact
    test of two independent samples, which has less power. Both are two-sided, and only a rise
    counts. Holm's correction over all cases bounds the chance of any false alarm by LEVEL.
    """
    rows = {row["number"]: row for case in cases for row in case}
    places = {number: place for place, number in enumerate(rows)}
    sides = (places[row["number"]] for case in cases for row in case)
    at = np.fromiter(sides, np.int64, 2 * len(cases)).reshape(-1, 2)
    counts = _paired(evidence, list(rows.values()), at)
    known = np.array([(row["correct"], row["n"]) for row in rows.values()], dtype=np.float64)
    alone = known.reshape(-1, 2)[at].reshape(len(cases), 4)
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
    return Reversals(cases, n.astype(np.int64), before, after, p)


def _paired(
    evidence: Evidence, rows: Sequence[Row], at: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return `pair`'s counts of each case [cases, 4]; NaN for one that cannot be paired.

    at: the places in `rows` of both sides [cases, 2]. Nearly all rows have the same images in the
    same order: those are compared as one array.
    """
    groups: dict[tuple[bytes, bytes], list[npt.NDArray[np.bool_]]] = {}
    scored = [evidence.scored(row) for row in rows]
    # the group of a row, -1 without predictions, and its place there
    group = np.full((len(rows), 2), -1)
    numbers: dict[tuple[bytes, bytes], int] = {}
    for place, own in enumerate(scored):
        if own is not None:
            images = own.ids.tobytes(), own.label.tobytes()
            members = groups.setdefault(images, [])
            group[place] = numbers.setdefault(images, len(numbers)), len(members)
            members.append(own.right)
    counts = np.full((len(at), 4), np.nan)
    of = group[at]
    together = of[:, 0, 0] == of[:, 1, 0]
    for number, members in enumerate(groups.values()):
        cases = np.flatnonzero(together & (of[:, 0, 0] == number))
        if len(cases):
            counts[cases] = _counted(np.stack(members), of[cases, 0, 1], of[cases, 1, 1])
    for case in np.flatnonzero(~together):
        first, second = (scored[place] for place in at[case])
        pairs = (
            pair(first, second) if first is not None and second is not None else "no predictions"
        )
        if not isinstance(pairs, str):
            counts[case] = pairs
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
