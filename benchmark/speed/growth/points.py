"""One measurement of growth: runs in a process of its own, since a peak of memory never falls."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.execution.memory import peak_memory
from benchmark.speed.growth.axes import AXES, Axis
from benchmark.speed.growth.cells import MADE_UP, stages
from benchmark.speed.memory import run_made_up


@dataclass(frozen=True)
class Point:
    """What one size took.

    axis: the name of what grows. size: how large it was. seconds: of processor time of all threads,
    without the import of libraries. megabytes: the peak of the process.
    """

    axis: str
    size: int
    seconds: float
    megabytes: float


def points(axis: Axis) -> Iterator[Point]:
    """Yield the measurement of each size of an axis."""
    for size in axis.sizes:
        code = f"from {__name__} import measured; print(*measured({axis.name!r}, {size}))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{axis.name}, {size}: {done.stderr}")
        seconds, megabytes = map(float, done.stdout.split()[-2:])
        yield Point(axis.name, size, seconds, megabytes)


def measured(name: str, size: int) -> tuple[float, float]:
    """Return the seconds of one size of an axis, and the peak of this process in MB."""
    seconds = AXES[name].load()(size)
    return seconds, peak_memory()


def images(count: int) -> float:
    """Return the processor seconds of a run over so many images."""
    return _spent(count)


def classes(count: int) -> float:
    """Return the processor seconds of a run over 1,000 images of so many classes."""
    return _spent(1_000, classes=count)


def pixels(side: int) -> float:
    """Return the processor seconds of a run over 100 images of so many pixels per side."""
    return _spent(100, side=side)


def cells(count: int) -> float:
    """Return the processor seconds of planning, exporting and auditing so many cells."""
    return sum(seconds for name, seconds in stages(count) if not name.endswith(MADE_UP))


def _spent(count: int, classes: int = 10, side: int = 28) -> float:
    run_made_up(1, classes, side)  # compiles kernels
    start = time.process_time()
    run_made_up(count, classes, side)
    return time.process_time() - start
