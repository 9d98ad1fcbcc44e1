"""The simulation against cases that are counted by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from chunk_times import Chunk, kind_of, read_times, sizes, write_times
from scaling_plot import write_scaling
from simulate import COLUMNS, Costs, Work, chunks_of, rows_of, simulate

from benchmark.execution.plan import plan
from benchmark.grids.model import Grid
from estimators.errors import InputError
from reports.results.atomic import csv_text

FREE = Costs(start=0, client=0, answer=0, bandwidth=1e6)


def work(seconds: float, number: int = 0, size: int = 0) -> Work:
    return Work(seconds, ("d", "n"), ("d", 1, 0, number), 0, size)


# chunks, workers, costs, seconds
CASES = {
    "one worker does one after another": ([work(2)] * 10, 1, FREE, 20),
    "as many workers as chunks": ([work(2)] * 10, 10, FREE, 2),
    "more workers than chunks": ([work(2)] * 10, 50, FREE, 2),
    "the last round is not full": ([work(2)] * 10, 4, FREE, 6),
    "a long chunk at the end": ([work(1)] * 4 + [work(10)], 2, FREE, 12),
    "the same first": ([work(10)] + [work(1)] * 4, 2, FREE, 10),
    "all start once": ([work(2)] * 10, 10, Costs(5, 0, 0, 1e6), 7),
    "the client is the bottleneck": ([work(0)] * 100, 100, Costs(0, 0.5, 0, 1e6), 50),
    "the answer is awaited by an idle worker": ([work(2)], 1, Costs(0, 0, 0.25, 1e6), 2.25),
    "images travel once to each worker": (
        [work(1, 0, 10**6), work(1, 1, 10**6), work(1, 0, 10**6), work(1, 1, 10**6)],
        1,
        FREE,
        6,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_closed_forms(case: str) -> None:
    chunks, workers, costs, seconds = CASES[case]
    assert simulate(chunks, workers, costs) == pytest.approx(seconds)


def test_no_order_beats_the_bounds(tmp_path: Path) -> None:
    chunks = [work(1 + n % 7, n, 1000) for n in range(200)]
    rows = rows_of("plan", chunks, Costs())
    (tmp_path / "s.csv").write_text(csv_text(COLUMNS, rows))
    table = pd.read_csv(tmp_path / "s.csv")
    bounds = table[["work_bound", "chunk_bound", "client_bound"]].max(axis=1)
    assert (table["seconds"] >= bounds - 0.1).all()
    assert table["seconds"].is_monotonic_decreasing
    assert table["limit"].iloc[0] == "work"
    assert table["limit"].iloc[-1] == "longest chunk"
    write_scaling(tmp_path / "s.csv", tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_chunks_of_a_plan_and_their_times(tmp_path: Path) -> None:
    grid = Grid(
        name="g",
        samples=300,
        threats=["oblivious"],
        attacks=[{"name": "fgsm", "eps": [0.1, 0.2]}, {"name": "pgd", "eps": [0.1, 0.2]}],
    )
    tasks = plan(grid.cells())
    assert sizes(300, 125) == [125, 125, 50]
    kinds = {kind_of(task, size): Chunk(size / 100, 10, 20) for task in tasks for size in (125, 50)}
    # FGSM of both eps is one task, PGD two of one kind
    assert (len(tasks), len(kinds)) == (3, 4)
    write_times(kinds.items(), tmp_path / "t.csv")
    times = read_times(tmp_path / "t.csv")
    assert times == kinds
    chunks = chunks_of(tasks, times, 125)
    assert [chunk.seconds for chunk in chunks] == [1.25, 1.25, 0.5] * 3
    assert len({chunk.images for chunk in chunks}) == 3
    times.popitem()
    with pytest.raises(InputError, match=r"chunk_times"):
        chunks_of(tasks, times, 125)
