"""Simulate how a grid scales over workers, from measured times of its chunks.

Run as `python tests/tools/simulate.py`; it reads `reports/baselines/chunk_times.csv` and writes
`reports/baselines/scaling.csv` and `docs/images/scaling.png`.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chunk_times import FILE, Chunk, Kind, kind_of, read_times, sizes

from benchmark.execution.plan import Task, plan
from estimators.errors import InputError
from reports.results.atomic import csv_text, replace_text

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
COLUMNS = (
    "order",
    "workers",
    "seconds",
    "speedup",
    "efficiency",
    "work_bound",
    "chunk_bound",
    "client_bound",
    "limit",
)


@dataclass(frozen=True)
class Costs:
    """Costs of a chunk besides its own work, in seconds and bytes per second.

    start: of a worker, until it could start a chunk; all workers start at once.
    client: client and scheduler for each chunk, one chunk after another: planning, sending,
        rows, the store.
    answer: from the end of a worker's chunk to the start of one that was not sent yet.
    bandwidth: to a worker.
    """

    start: float = 4.8
    client: float = 0.010
    answer: float = 0.005
    bandwidth: float = 100e6


@dataclass(frozen=True)
class Work:
    """A chunk to simulate.

    seconds: of its work. network, images: names of what must be on the worker first.
    network_bytes, image_bytes: their sizes.
    """

    seconds: float
    network: tuple[str, str]
    images: tuple[str, object, int, int]
    network_bytes: int
    image_bytes: int


def chunks_of(tasks: Sequence[Task], times: dict[Kind, Chunk], batch: int) -> list[Work]:
    """Return the chunks of a plan, in its order."""
    chunks = []
    for task in tasks:
        if not isinstance(task.samples, int):
            raise InputError("simulation: the grid must say how many samples, not all")
        for number, size in enumerate(sizes(task.samples, batch)):
            kind = kind_of(task, size)
            if kind not in times:
                raise InputError(
                    f"simulation: no time for {kind};"
                    " measure with `python tests/tools/chunk_times.py`"
                )
            chunk = times[kind]
            chunks.append(
                Work(
                    chunk.seconds,
                    (task.dataset, str(task.network)),
                    (task.dataset, task.samples, task.seed, number),
                    chunk.network_bytes,
                    chunk.image_bytes,
                )
            )
    return chunks


def simulate(chunks: Sequence[Work], workers: int, costs: Costs) -> float:
    """Return the seconds from the start of the workers until the last chunk is stored.

    The client sends chunks in order, two per worker at most, each to the worker that is free
    first; a worker fetches what it lacks, once.
    """
    free = [(costs.start, number) for number in range(workers)]
    heapq.heapify(free)
    there: list[set[object]] = [set() for _ in range(workers)]
    ends: list[float] = []
    client = 0.0
    for chunk in chunks:
        if len(ends) == 2 * workers:
            client = max(client, heapq.heappop(ends))
        client += costs.client
        at, number = heapq.heappop(free)
        begin = max(at, client + costs.answer)
        for name, size in ((chunk.network, chunk.network_bytes), (chunk.images, chunk.image_bytes)):
            if name not in there[number]:
                there[number].add(name)
                begin += size / costs.bandwidth
        end = begin + chunk.seconds
        heapq.heappush(free, (end, number))
        heapq.heappush(ends, end)
    return max([client, *ends])


def rows_of(order: str, chunks: Sequence[Work], costs: Costs) -> list[tuple[object, ...]]:
    """Return simulated seconds by number of workers, with three bounds that hold for any order."""
    one = simulate(chunks, 1, costs)
    longest = max(chunk.seconds for chunk in chunks)
    total = sum(chunk.seconds for chunk in chunks)
    rows: list[tuple[object, ...]] = []
    for workers in WORKERS:
        seconds = simulate(chunks, workers, costs)
        bounds = {
            "work": costs.start + total / workers,
            "longest chunk": costs.start + longest,
            "client": costs.client * len(chunks),
        }
        limit = max(bounds, key=lambda name: bounds[name])
        rows.append(
            (
                order,
                workers,
                f"{seconds:.1f}",
                f"{one / seconds:.1f}",
                f"{one / seconds / workers:.3f}",
                *(f"{b:.1f}" for b in bounds.values()),
                limit,
            )
        )
    return rows


def main() -> None:
    """Simulate a grid over 1 to 1,000 workers, write the table and the figure."""
    from scaling_plot import write_scaling

    from benchmark.grids.model import load_grid
    from estimators.classifier import BATCH

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="full")
    parser.add_argument("--times", type=Path, default=FILE)
    parser.add_argument("--start", type=float, default=Costs.start)
    parser.add_argument("--client", type=float, default=Costs.client)
    parser.add_argument("--out", type=Path, default=FILE.with_name("scaling.csv"))
    parser.add_argument("--plot", type=Path, default=Path("docs") / "images" / "scaling.png")
    options = parser.parse_args()
    costs = Costs(start=options.start, client=options.client)
    chunks = chunks_of(plan(load_grid(options.grid).cells()), read_times(options.times), BATCH)
    longest = sorted(chunks, key=lambda chunk: -chunk.seconds)
    rows = rows_of("plan", chunks, costs) + rows_of("longest first", longest, costs)
    replace_text(options.out, csv_text(COLUMNS, rows))
    write_scaling(options.out, options.plot)
    total = sum(chunk.seconds for chunk in chunks)
    print(f"{len(chunks)} chunks, {total:.0f} s of work, the longest {longest[0].seconds:.1f} s")
    for row in rows:
        print(*row)


if __name__ == "__main__":
    main()
