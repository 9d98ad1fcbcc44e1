"""Pairs of cells in which the stronger side does less harm than the weaker, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.results.predictions import pair
from reports.results.rows import Row
from reports.statistics.tests import adjust, fisher, mcnemar
from reports.worst_case.evidence import Evidence

# a rise counts at this level after the correction, and fails the check from this size on
LEVEL = 0.05
LARGE = 0.05


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
    counts = np.full((len(cases), 4), np.nan)
    alone = np.zeros((len(cases), 4))
    for i, (weaker, stronger) in enumerate(cases):
        a, b = evidence.scored(weaker), evidence.scored(stronger)
        pairs = pair(a, b) if a is not None and b is not None else "no predictions"
        if not isinstance(pairs, str):
            counts[i] = pairs
        alone[i] = weaker["correct"], weaker["n"], stronger["correct"], stronger["n"]
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


def status(tested: Sequence[Tested]) -> str:
    """Return the verdict on some cases: a large rise beyond chance fails, a small one warns."""
    rises = [case.rise for case in tested if case.beyond]
    return "ok" if not rises else "fail" if max(rises) >= LARGE else "warn"


def worst(tested: Sequence[Tested]) -> Tested:
    """Return the case with the largest rise; those beyond chance come first."""
    return max(tested, key=lambda case: (case.beyond, case.rise))
