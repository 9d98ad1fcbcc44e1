"""What a run tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.execution.plan import Task


@dataclass
class Progress:
    """What a run tells while it runs; each hook may be replaced, by default nothing is shown."""

    message: Callable[[str], None] = lambda text: None
    started: Callable[[int, int, float], None] = lambda cells, reused, work: None
    advanced: Callable[[Task, float, int], None] = lambda task, work, cells: None
    epoch: Callable[[dict[str, float]], None] = lambda row: None
