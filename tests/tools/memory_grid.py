"""The memory of a whole run of a grid, where the run itself would take too long.

Run as `python tests/tools/memory_grid.py --dataset cifar10 --data-dir DATA`. It is `bench run` from
the data to the page, in a directory that it deletes; but of each task only the first chunks are
crafted, and the other images take over what became of those. So memory is that of the whole (every
network, attack and defence at work, every row as long, every file as large), and the numbers in
its table mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.environment import default_threads
from benchmark.execution.executor import ChunkOutcomes
from benchmark.execution.memory import peak_memory
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task
from benchmark.execution.progress import Progress
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.overrides import narrowed
from estimators.data.images import Images


class FewChunks:
    """`run_chunk` for the first chunks of each task; the others repeat what the first came to."""

    def __init__(self, crafted: int) -> None:
        self.crafted = crafted
        self._begun: Counter[int] = Counter()
        self._first: dict[int, Future[ChunkOutcomes]] = {}
        self._lock = threading.Lock()

    def __call__(self, task: Task, images: Images, classifiers: ClassifierCache) -> ChunkOutcomes:
        with self._lock:
            number = self._begun[id(task)]
            self._begun[id(task)] += 1
            first = self._first.setdefault(id(task), Future())
        if number >= self.crafted:
            # threads take chunks in order, so the first is under way or over
            return {cell: _repeated(out, images) for cell, out in first.result().items()}
        try:
            outcomes = run_chunk(task, images, classifiers)
        except BaseException as error:
            if number == 0:
                first.set_exception(error)
            raise
        if number == 0:
            first.set_result(outcomes)
        return outcomes


def _repeated(outcome: Outcome, images: Images) -> Outcome:
    """The outcome of one chunk, as if other images, no more in number, had come to it."""
    size = len(images)
    own = {name: values for name, values in vars(outcome).items() if values is not None}
    cut = {name: values[:size].copy() for name, values in own.items()}
    return replace(outcome, **cut | {"ids": images.ids, "label": images.y})


def measure(name: str, dataset: str, data_dir: Path | None, crafted: int) -> None:
    """Run a grid on all images of a data set; print the peak so far, in MB, as it goes."""
    from benchmark.grids.model import load_grid
    from benchmark.runs.options import RunOptions
    from benchmark.runs.run import run

    grid = narrowed(load_grid(name), datasets=[dataset], samples="all")
    begun = time.monotonic()
    last = ""

    def report(what: str) -> None:
        seconds = time.monotonic() - begun
        print(f"{seconds:6.0f} s  {peak_memory():6,.0f} MB  {what}", flush=True)

    def advanced(task: Task, work: float, cells: int) -> None:
        nonlocal last
        what = f"{task.network} {task.attacks[0].without('eps')} {task.sees.name}"
        if cells and what != last:
            report(f"{what}, scored behind {len({cell.defence for cell in task.cells})}")
            last = what

    progress = Progress(message=report, advanced=advanced)
    executor = ThreadExecutor(default_threads("cpu"), run_chunk=FewChunks(crafted))
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(Path(folder), data_dir, device="cpu", progress=progress)
        result = run(grid, options, executor)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    assert set(result.table["status"]) == {"ok"}, result.failed
    rows, images = len(result.table), result.table["n"].max()
    report(f"{rows:,} rows of {images:,} images, {size >> 20:,} MB of files")


def main() -> None:
    """Measure one grid on one data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="full")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--chunks", type=int, default=2, help="of each task that are crafted")
    options = parser.parse_args()
    measure(options.grid, options.dataset, options.data_dir, options.chunks)


if __name__ == "__main__":
    main()
