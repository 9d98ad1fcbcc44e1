"""How good the time left of `bench run` is: declared against measured cost of every attack.

Run as `python tests/tools/time_left.py`; it takes some minutes. It runs a grid of every attack of
the registry on digits. It prints measured and declared seconds per attack, and what the run's whole
time was estimated to be as it went on.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmark import RunOptions, load_grid
from benchmark.attacks.registry import ATTACKS
from benchmark.execution.plan import Task
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid
from benchmark.runs.run import run
from estimators.spec import Spec

SAMPLES = 125


def grid() -> Grid:
    """Return a grid of every attack, eps 0.1 in Linf and 1 in L2, with and without JPEG."""
    attacks: list[object] = [
        {"name": name, "eps": 1.0 if entry.norm == "2" else 0.1} if entry.bounded else name
        for name, entry in ATTACKS.items()
    ]
    content = load_grid("quick").model_dump(exclude_none=True) | {
        "name": "time-left",
        "datasets": ["digits"],
        "networks": ["lenet"],
        "attacks": attacks,
        "threats": ["oblivious", "adaptive"],
        "defences": ["none", {"name": "jpeg", "quality": 50}],
        "samples": SAMPLES,
        "blocks": [{}],
    }
    return Grid.model_validate(content)


def main() -> None:
    """Run the grid and print both tables."""
    work: dict[str, float] = defaultdict(float)
    ends: list[tuple[float, float]] = []
    state = {"total": 1.0, "done": 0.0, "start": 0.0}

    def started(cells: int, reused: int, total: float) -> None:
        state.update(total=total, start=time.perf_counter())

    def advanced(task: Task, part: float, cells: int) -> None:
        work[task.attacks[0].name] += part
        state["done"] += part
        ends.append((time.perf_counter() - state["start"], state["done"] / state["total"]))

    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            out=Path(folder) / "run",
            threads=1,
            progress=Progress(started=started, advanced=advanced),
        )
        result = run(grid(), options)
        seconds = _seconds(result.directory, list(result.table["attack"]))
    unit = sum(seconds.values()) / sum(work.values())
    print("attack         measured s   declared s   ratio")
    for name in sorted(work, key=lambda name: -seconds[name]):
        declared = work[name] * unit
        print(f"{name:<14} {seconds[name]:10.1f} {declared:12.1f} {seconds[name] / declared:7.2f}")
    last = ends[-1][0]
    print("\nafter s   estimated s   ratio to the real time")
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.75):
        after, done = next(end for end in ends if end[0] >= share * last)
        print(f"{after:7.1f} {after / done:13.1f} {after / done / last:9.2f}")
    print(f"{last:7.1f} s in all")


def _seconds(directory: Path, attacks: list[str]) -> dict[str, float]:
    """Return the seconds of each attack's cells."""
    lines = (directory / "timings.csv").read_text(encoding="utf-8").splitlines()[1:]
    seconds: dict[str, float] = defaultdict(float)
    for attack, line in zip(attacks, lines, strict=True):
        seconds[Spec(attack.partition("[")[0]).name] += float(line.partition(",")[2])
    return seconds


if __name__ == "__main__":
    main()
