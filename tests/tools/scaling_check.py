"""Compare the simulation with real runs, with the seconds that the chunks took in them.

Run as `python tests/tools/scaling_check.py 1 2` for runs with one worker and with two. It also
measures the cost of a chunk for client and scheduler.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from simulate import Costs, Work, simulate

from benchmark.execution.plan import Task, plan
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run


@dataclass(frozen=True)
class Checked:
    """One real run beside its simulation.

    workers, chunks: their numbers.
    real, simulated: seconds from the start of the cluster until the last cell was stored.
    work: seconds of all chunks, as the workers measured them.
    start: seconds until the first chunk started.
    """

    workers: int
    chunks: int
    real: float
    simulated: float
    work: float
    start: float


def check(workers: int, samples: int = 125) -> Checked:
    """Run the grid `quick` with one chunk per task, then simulate it."""
    grid = narrowed(load_grid("quick"), samples=samples)
    marks: list[tuple[float, Task | None]] = []

    def mark(task: Task | None) -> None:
        marks.append((time.monotonic(), task))

    progress = Progress(
        started=lambda cells, reused, work: mark(None),
        advanced=lambda task, work, cells: mark(task) if cells else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = run(grid, RunOptions(out=Path(folder), workers=workers, progress=progress))
        timings = pd.read_csv(Path(folder) / "timings.csv")
    # the rows and their times come in the order of the cells
    seconds = dict(zip(grid.cells(), timings["seconds"], strict=True))
    assert set(result.table["status"]) == {"ok"}
    tasks = plan(grid.cells())
    by_cell = {task.cells[0]: sum(seconds[cell] for cell in task.cells) for task in tasks}
    (begun, _), (first, task), (ended, _) = marks[0], marks[1], marks[-1]
    assert task is not None
    start = first - begun - by_cell[task.cells[0]]
    chunks = [
        Work(by_cell[t.cells[0]], (t.dataset, str(t.network)), (t.dataset, 0, 0, 0), 0, 0)
        for t in tasks
    ]
    simulated = simulate(chunks, workers, Costs(start=start))
    return Checked(workers, len(tasks), ended - begun, simulated, sum(by_cell.values()), start)


def client_seconds(chunks: int = 120) -> float:
    """Return processor seconds of client and scheduler per chunk of three cells.

    Rows and store are included. The full grid has 2.9 cells per chunk. Both run in one process
    here; on a cluster they share this work.
    """
    grid = Grid(
        name="many",
        samples=10,
        threats=["oblivious"],
        defences=["none", "quantize", {"name": "jpeg", "quality": 50}],
        attacks=[{"name": "pgd", "max_iter": 1, "eps": [n / 1000 for n in range(1, chunks + 1)]}],
    )
    used: list[float] = []
    progress = Progress(
        advanced=lambda task, work, cells: used.append(time.process_time()) if cells else None
    )
    with tempfile.TemporaryDirectory() as folder:
        run(grid, RunOptions(out=Path(folder), workers=1, progress=progress))
    skipped = chunks // 6  # the first ones pay for imports and connections
    return (used[-1] - used[skipped]) / (chunks - 1 - skipped)


def main() -> None:
    """Check some numbers of workers, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workers", type=int, nargs="+")
    for workers in parser.parse_args().workers:
        print(check(workers), flush=True)
    print(f"client and scheduler: {1000 * client_seconds():.1f} ms per chunk", flush=True)


if __name__ == "__main__":
    main()
