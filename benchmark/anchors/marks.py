"""The mark of a check: our answer, its limits, and what may be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from benchmark.anchors.anchor import Anchor, Check
from benchmark.execution.outcome import Outcome
from reports.statistics.intervals import median_smallest_eps, wilson

Verdict = Literal["pass", "fail", "open", "skipped"]
# a share of 200 images and its decimal text differ by this at most
ROUNDING = 1e-6
OVER = "{} images outside the budget"


@dataclass(frozen=True)
class Mark:
    """One check of an anchor.

    anchor, check: what was checked. verdict: `pass`, `fail`, `skipped`, or `open` where images are
        left and could still change the answer.
    ours: our answer, in the unit of the check; NaN where it was skipped.
    low, high: 95 % limits of our answer for all images of the check; `ours` where all were used.
    n: images used. count: images that were asked for.
    note: why it was skipped, or what is wrong; empty otherwise.
    """

    anchor: Anchor
    check: Check
    verdict: Verdict
    ours: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    count: int = 0
    note: str = ""


class Tally(NamedTuple):
    """Images of a check that are done: their number, those right, those outside the budget."""

    n: int
    right: int
    over: int

    def __add__(self, other: object) -> Tally:  # in place of the tuples' own
        if not isinstance(other, Tally):
            return NotImplemented
        return Tally(self.n + other.n, self.right + other.right, self.over + other.over)


def counted(outcome: Outcome) -> Tally:
    """Return the tally of an attack's outcome."""
    right = outcome.adversarial == outcome.label
    return Tally(len(right), int(right.sum()), int(outcome.over.sum()))


def accuracy_mark(anchor: Anchor, check: Check, done: Tally, count: int) -> Mark:
    """Return the mark of an accuracy.

    done: of the first images in the order of the check. count: images that were asked for.

    Where images are left, the mark is `pass` or `fail` only if no answer for them changes it.
    """
    if not done.n:
        return Mark(anchor, check, "open", count=count)
    ours = 100 * done.right / done.n
    low, high = (100 * float(limit) for limit in wilson(done.right, done.n))
    # all images that are left wrong, and all right
    least, most = (100 * (done.right + more) / check.of for more in (0, check.of - done.n))
    low, high = max(low, least), min(high, most)
    if done.n == count or done.over:
        inside = meets(check, low, high)
        verdict: Verdict = "pass" if inside and not done.over else "fail"
    elif not meets(check, least, most):
        verdict = "fail"
    else:
        lowest, highest = check.accept
        sure = (lowest is None or least >= lowest - ROUNDING) and (
            highest is None or most <= highest + ROUNDING
        )
        verdict = "pass" if sure else "open"
    note = OVER.format(done.over) if done.over else ""
    return Mark(anchor, check, verdict, ours, low, high, done.n, count, note)


def median_mark(anchor: Anchor, check: Check, outcome: Outcome) -> Mark:
    """Return the mark of a median distance, over the images that are right without attack."""
    right, seen = outcome.adversarial == outcome.label, outcome.clean == outcome.label
    sizes = (outcome.l2 if check.measure == "l2_median" else outcome.linf)[seen]
    # an image that stands is farther away than anything found
    stands = right[seen]
    values = np.where(stands, sizes.max(initial=1.0), sizes)
    ours, low, high = (float(value) for value in median_smallest_eps(values, stands))
    n, over = len(right), int(outcome.over.sum())
    verdict: Verdict = "pass" if meets(check, low, high) and not over else "fail"
    note = OVER.format(over) if over else ""
    return Mark(anchor, check, verdict, ours, low, high, n, n, note)


def meets(check: Check, low: float, high: float) -> bool:
    """Whether an answer between these limits may be one that passes."""
    lowest, highest = check.accept
    return (lowest is None or high >= lowest - ROUNDING) and (
        highest is None or low <= highest + ROUNDING
    )
