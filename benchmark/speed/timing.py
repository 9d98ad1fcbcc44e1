"""Two implementations timed against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Measured:
    """One line of the table.

    work: what is computed.
    rival: the implementation that ours is compared with.
    ours, theirs: median seconds.
    ratio: theirs / ours per pair of runs, the median.
    same: whether tables or images are identical; None where they need not be.
    note: further results as text.
    floor: seconds of the passes through the network alone; None where they are not measured.
    goal: the ratio that the project wants to reach; None without one.
    """

    work: str
    rival: str
    ours: float
    theirs: float
    ratio: float
    same: bool | None
    note: str = ""
    floor: float | None = None
    goal: float | None = None


@dataclass(frozen=True)
class Pair(Generic[R]):
    """Two implementations after several alternating runs.

    our_seconds, their_seconds: medians. ratio: theirs / ours per pair of runs, the median.
    our_result, their_result: of the last run.
    """

    our_seconds: float
    their_seconds: float
    ratio: float
    our_result: R
    their_result: R

    def line(
        self, work: str, rival: str, same: bool | None, note: str, floor: float | None = None
    ) -> Measured:
        """Return the line of the table."""
        seconds = self.our_seconds, self.their_seconds
        return Measured(work, rival, *seconds, self.ratio, same, note, floor)


def alternate(
    ours: Callable[[], R], theirs: Callable[[], R], repeat: int, warm: bool = True
) -> Pair[R]:
    """Time two implementations in alternating runs, after one untimed run of ours.

    The untimed run compiles kernels and allocates buffers. warm: False leaves it out, for runs of
    minutes.
    """
    seconds = []
    if warm:
        ours()
    for _ in range(repeat):
        start = time.perf_counter()
        our_result = ours()
        middle = time.perf_counter()
        their_result = theirs()
        seconds.append((middle - start, time.perf_counter() - middle))
    ours_s, theirs_s = (statistics.median(pair[n] for pair in seconds) for n in (0, 1))
    ratio = statistics.median(theirs / ours for ours, theirs in seconds)
    return Pair(ours_s, theirs_s, ratio, our_result, their_result)
