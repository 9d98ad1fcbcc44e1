"""The cells of a run through an engine and into the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmark.execution.executor import Failure, Parts, Used
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task, plan
from benchmark.execution.progress import Progress
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from benchmark.runs.rows import failed, ok
from benchmark.runs.store import Store
from estimators.data.images import Images, subset


def compute(
    todo: list[Cell],
    keys: dict[Cell, str],
    inputs: RunInputs,
    store: Store,
    directory: Path,
    engine: Callable[..., Used],
    reused: int,
    progress: Progress,
) -> Used:
    """Compute cells on an engine, and store each as its task ends.

    keys: of the cells. reused: cells that are stored already. Tracebacks of what raised go to
    `failures.log` in the directory.
    """
    tasks = plan(todo)
    subsets: dict[tuple[Any, ...], Images] = {}

    def images_of(task: Task) -> Images:
        at = (task.dataset, task.samples, task.seed)
        if at not in subsets:
            subsets[at] = subset(inputs.images[task.dataset], task.samples, task.seed)
        return subsets[at]

    forward = {
        at: _forward_seconds(trained.network, inputs.images[at[0]])
        for at, trained in inputs.networks.items()
    }

    def work(task: Task) -> float:
        """Rough cost in forward passes, for the time left: 3 a gradient, 1 a cell."""
        size = len(images_of(task))
        crafting = 3 * _iterations(task)
        cost = forward[task.dataset, task.network]
        return size * (crafting + len(task.cells)) * cost

    costs = {id(task): work(task) for task in tasks}
    progress.started(len(todo), reused, sum(costs.values()))

    def on_chunk(task: Task, chunks: int) -> None:
        progress.advanced(task, costs[id(task)] / chunks, 0)

    def on_task(task: Task, found: Parts | Failure, seconds: float) -> None:
        share = seconds / len(task.cells)
        if isinstance(found, Failure):
            with (directory / "failures.log").open("a", encoding="utf-8") as log:
                log.write(f"{task.cells[0]}\n{found.trace}\n")
            rows = (failed(c, keys[c], inputs, found.message, share) for c in task.cells)
            progress.message(f"failed: {task.cells[0]}: {found.message}")
        else:
            # a cell at a time: joined, all cells of a large sample would not fit
            rows = (
                ok(c, keys[c], inputs, Outcome.joined(part[c] for part in found), share)
                for c in task.cells
            )
        store.put(rows)
        progress.advanced(task, 0.0, len(task.cells))

    return engine(tasks, images_of, inputs.models(), on_chunk, on_task)


def _iterations(task: Task) -> int:
    kwargs = task.attacks[0].kwargs
    steps = int(str(kwargs.get("max_iter", 40 if task.attacks[0].name == "pgd" else 1)))
    return 500 if task.attacks[0].name.startswith("cw") else steps


def _forward_seconds(network: Any, images: Images) -> float:
    """Seconds of a forward pass of 25 images: how networks compare, for the time left."""
    x = torch.from_numpy(images[:25].x)
    with torch.inference_mode():
        network(x)
        start = time.perf_counter()
        network(x)
    return time.perf_counter() - start
