"""Where the side that should do more harm does less, beyond what chance explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.results.predictions import pair
from reports.statistics.tests import adjust, fisher, mcnemar
from reports.worst_case.evidence import Evidence, Row

# a rise must be significant at this level after the correction, and fails the check from this size
LEVEL = 0.05
LARGE = 0.05


class Case(NamedTuple):
    """Two rows: the second should leave no more images right than the first."""

    gentle: Row
    harsh: Row


class Tested(NamedTuple):
    """A case that was tested.

    n: images that both rows have (the smaller number, where they cannot be paired). before, after:
    accuracy of the two on them. rise: after - before. p: adjusted for the number of cases.
    beyond: the rise is beyond chance.
    """

    gentle: Row
    harsh: Row
    n: int
    before: float
    after: float
    rise: float
    p: float
    beyond: bool


def reversals(evidence: Evidence, cases: Sequence[Case]) -> list[Tested]:
    """The cases of one check, tested together.

    With predictions: exact McNemar test on the images that both rows have; else Fisher's exact
    test of two independent samples, which finds less. Both two-sided, where only a rise counts;
    Holm's correction over all cases, so that any false alarm among them has a chance of at most
    LEVEL.
    """
    if not cases:
        return []
    counts = np.full((len(cases), 4), np.nan)
    alone = np.zeros((len(cases), 4))
    for i, (gentle, harsh) in enumerate(cases):
        a, b = evidence.scored(gentle), evidence.scored(harsh)
        pairs = pair(a, b) if a is not None and b is not None else "no predictions"
        if not isinstance(pairs, str):
            counts[i] = pairs
        alone[i] = gentle["correct"], gentle["n"], harsh["correct"], harsh["n"]
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
    """The verdict on some cases: fail for a large rise beyond chance, warn for a small one."""
    rises = [case.rise for case in tested if case.beyond]
    return "ok" if not rises else "fail" if max(rises) >= LARGE else "warn"


def worst(tested: Sequence[Tested]) -> Tested:
    """The case with the largest rise, of those beyond chance where there are any."""
    return max(tested, key=lambda case: (case.beyond, case.rise))
