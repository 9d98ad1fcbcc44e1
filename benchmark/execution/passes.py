"""The passes through a network that a task is expected to take."""

from __future__ import annotations

from benchmark.attacks.lookup import expected_passes
from benchmark.certificates.graph import Graph
from benchmark.execution.plan import Task
from benchmark.execution.scoring import scorings
from estimators.spec import Spec

# how often clean images are scored, by data set, samples, seed, network and defence
CleanScorings = dict[tuple[object, ...], int]
# float64 takes twice as long as the networks' own float32
DOUBLE = 2.0
# share of the hidden values that are bounded backward
OPEN = 0.4


def passes_of(task: Task, classes: int, clean: CleanScorings) -> float:
    """Return the expected cost of a task per image, in forward passes.

    Several eps of an attack of one step share their gradient. Behind each network and defence the
    images of each attack are scored, and those without attack once in a run.

    clean: scorings without attack of the tasks before; those of this task are added.
    """
    scoring = 0
    for attack in task.attacks:
        asked = scorings(cell for cell in task.cells if cell.attack == attack)
        scoring += sum(asked.values())
    for key, count in scorings(task.cells).items():
        at = (task.dataset, task.samples, task.seed, *key)
        # as `scoring.clean_predictions`: more draws than are known are all drawn again
        if count > clean.get(at, 0):
            scoring += count
            clean[at] = count
    return task.view.draws * expected_passes(task.attacks[0], classes) + scoring


def proof_passes(graph: Graph, method: Spec) -> float:
    """Return the expected cost of a certificate per image, in forward passes.

    A row that is passed backward costs about as much as an image that is passed forward.
    """
    rows = method.get("rows")
    if not isinstance(rows, int):
        return 3 * DOUBLE
    sizes = [graph.size(n) for n in graph.before_bends()]
    hidden = [2 * OPEN * size for size in sizes if OPEN * size <= rows]
    steps, most = method.get("steps"), method.get("optimised")
    if not isinstance(steps, int) or not isinstance(most, int):
        return DOUBLE * sum(hidden)
    # a gradient costs as much as two passes
    climbed = [2 * OPEN * size for size in sizes if size <= most]
    return DOUBLE * (sum(hidden) + 3 * steps * sum(climbed))
