"""The passes through a network that a task is expected to take."""

from __future__ import annotations

from benchmark.attacks.lookup import expected_passes
from benchmark.execution.plan import Task
from benchmark.execution.scoring import scorings


def passes_of(task: Task, classes: int) -> float:
    """Return the expected cost of a task per image, in forward passes.

    Several eps of an attack of one step share their gradient.
    """
    scoring = sum(cell.scorings for cell in task.cells) + sum(scorings(task.cells).values())
    return task.view.draws * expected_passes(task.attacks[0], classes) + scoring
