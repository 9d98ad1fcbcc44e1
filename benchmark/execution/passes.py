"""The passes through a network that a task is expected to take."""

from __future__ import annotations

from benchmark.attacks.lookup import expected_passes
from benchmark.execution.chunk import scorer_key
from benchmark.execution.plan import Task


def passes_of(task: Task, classes: int) -> float:
    """Return the expected cost of a task per image, in forward passes.

    Several eps of an attack of one step share their gradient.
    """
    scoring = len(task.cells) + len({scorer_key(cell) for cell in task.cells})
    return task.view.draws * expected_passes(task.attacks[0], classes) + scoring
