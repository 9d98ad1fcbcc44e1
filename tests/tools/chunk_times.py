"""Measure the seconds of one chunk of each kind of task, as input of the simulation.

Run as `python tests/tools/chunk_times.py --data-dir DATA`; it takes a few minutes.
"""

from __future__ import annotations

import argparse
import csv
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.execution.plan import Task, plan
from estimators.data.images import Images
from reports.results.atomic import csv_text, replace_text

FILE = Path("reports") / "baselines" / "chunk_times.csv"
COLUMNS = (
    "dataset",
    "network",
    "attack",
    "sees",
    "attacks",
    "defences",
    "images",
    "seconds",
    "network_bytes",
    "image_bytes",
)
# what a worker does before its first chunk
START = "import distributed.nanny, benchmark.execution.dask_worker, benchmark.execution.threads"

Kind = tuple[str, str, str, str, int, int, int]


@dataclass(frozen=True)
class Chunk:
    """Costs of a kind of chunk.

    seconds: processor time. network_bytes, image_bytes: of what is sent to a worker.
    """

    seconds: float
    network_bytes: int
    image_bytes: int


def kind_of(task: Task, images: int) -> Kind:
    """Return what decides the time of a chunk; eps and JPEG quality have little influence."""
    attack = task.attacks[0].without("eps")
    return (
        task.dataset,
        str(task.network),
        str(attack),
        task.sees.name,
        len(task.attacks),
        len({cell.defence for cell in task.cells}),
        images,
    )


def sizes(samples: int, batch: int) -> list[int]:
    """Return the number of images of each chunk of a task."""
    return [min(batch, samples - start) for start in range(0, samples, batch)]


def measure(tasks: Iterable[Task], data_dir: Path | None) -> list[tuple[Kind, Chunk]]:
    """Measure one chunk of each kind by the processor time of its thread.

    Unlike the wall clock, it does not depend on other load of the machine.
    """
    import torch

    from benchmark.execution.chunk import ClassifierCache
    from benchmark.execution.memory import keep_memory
    from benchmark.execution.progress import Progress
    from benchmark.execution.threads import timed_chunk
    from benchmark.runs.loading.gather import gather
    from benchmark.runs.options import RunOptions
    from estimators.classifier import BATCH
    from estimators.data.images import subset

    tasks = list(tasks)
    cells = [cell for task in tasks for cell in task.cells]
    options = RunOptions(data_dir=data_dir, progress=Progress(message=print))
    inputs = gather(cells, options, "cpu")
    torch.set_num_threads(1)
    keep_memory()
    models = inputs.models()
    bench = ClassifierCache(models)
    times: dict[Kind, Chunk] = {}

    def seconds(task: Task, images: Images) -> float:
        start = time.thread_time()
        outcome, _ = timed_chunk(task, images, bench)
        assert isinstance(outcome, dict), outcome
        return time.thread_time() - start

    for task in tasks:
        images = subset(inputs.images[task.dataset], task.samples, task.seed)
        for size in sizes(len(images), BATCH):
            kind = kind_of(task, size)
            if kind in times:
                continue
            seconds(task, images[:2])  # classifiers are wrapped, kernels compiled
            network = len(pickle.dumps(models[task.dataset, task.network], protocol=5))
            part = images[:size]
            times[kind] = Chunk(seconds(task, part), network, len(pickle.dumps(part, protocol=5)))
            print(*kind, f"{times[kind].seconds:.3f} s", flush=True)
    return list(times.items())


def start_seconds() -> float:
    """Return the processor time of a new process until a worker could start its first chunk."""
    before = os.times()
    subprocess.run([sys.executable, "-c", START], check=True)
    after = os.times()
    return (
        after.children_user
        + after.children_system
        - (before.children_user + before.children_system)
    )


def read_times(path: Path = FILE) -> dict[Kind, Chunk]:
    """Read a file that `write_times` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (
                row["dataset"],
                row["network"],
                row["attack"],
                row["sees"],
                int(row["attacks"]),
                int(row["defences"]),
                int(row["images"]),
            ): Chunk(float(row["seconds"]), int(row["network_bytes"]), int(row["image_bytes"]))
            for row in csv.DictReader(file)
        }


def write_times(times: Iterable[tuple[Kind, Chunk]], path: Path = FILE) -> None:
    """Write the measured kinds as a CSV."""
    rows = [
        (*kind, f"{chunk.seconds:.4f}", chunk.network_bytes, chunk.image_bytes)
        for kind, chunk in times
    ]
    replace_text(path, csv_text(COLUMNS, rows))


def main() -> None:
    """Measure the kinds of chunks of a grid and write them."""
    from benchmark.grids.model import load_grid

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="full")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    write_times(measure(plan(load_grid(options.grid).cells()), options.data_dir), options.out)
    print(f"start of a worker: {start_seconds():.2f} s of processor time")


if __name__ == "__main__":
    main()
