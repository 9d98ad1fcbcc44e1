"""The hooks by which a run reports what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.execution.plan import Work
from reports.style.labels import Labels


@dataclass(frozen=True)
class Progress:
    """Functions that a run calls while it works; by default they do nothing.

    message: called with one line of text.
    started: called once with the number of cells to compute, the number of stored cells that are
        reused, and the expected work in seconds.
    advanced: called with a task, the work that was done for it, and the number of cells that are
        now finished.
    epoch: called after each epoch of a training with its row of the history.
    labels: called once, before `started`, with what is shown in place of names.
    """

    message: Callable[[str], None] = lambda text: None
    started: Callable[[int, int, float], None] = lambda cells, reused, work: None
    advanced: Callable[[Work, float, int], None] = lambda task, work, cells: None
    epoch: Callable[[dict[str, float]], None] = lambda row: None
    labels: Callable[[Labels], None] = lambda labels: None
