"""Tasks through a pool chunk by chunk, whatever the pool: threads here, or a cluster."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task
from benchmark.grids.cell import Cell
from estimators.classifier import BATCH
from estimators.data.images import Images


@dataclass(frozen=True)
class Failure:
    """A task that raised: the exception's class and message, and its traceback."""

    message: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The exception that is being handled."""
        first = (str(error).splitlines() or [""])[0]
        return cls(f"{type(error).__name__}: {first}", traceback.format_exc())


# the outcomes of a task's cells, chunk by chunk in the order of the images
Parts = list[dict[Cell, Outcome]]
OnChunk = Callable[[Task, int], None]
OnTask = Callable[[Task, Parts | Failure, float], None]


@dataclass(frozen=True)
class Used:
    """What tasks were computed on.

    device: cpu or a GPU. threads: those of this process, or of all workers at the end.
    processors: chunks by the processor of the worker that computed them; empty for this process.
    """

    device: str
    threads: int
    processors: dict[str, int] = field(default_factory=dict)


class Pool(Protocol):
    """Where chunks are computed; `Any` is the pool's own kind of future."""

    @property
    def limit(self) -> int:
        """Chunks that may be under way at once: what bounds the memory."""

    def submit(self, task: Task, images: Images) -> Any:
        """Begin a chunk."""

    def ended(self, futures: Collection[Any]) -> Collection[Any]:
        """Wait until at least one of the futures has ended; those that have."""

    def result(self, future: Any) -> tuple[dict[Cell, Outcome] | Failure, float]:
        """What a chunk came to, and the seconds it took."""


@dataclass
class _Open:
    """A task under way: the outcomes of the chunks that have ended."""

    chunks: int
    parts: dict[int, dict[Cell, Outcome]] = field(default_factory=dict)
    seconds: float = 0.0
    failure: Failure | None = None

    def in_order(self) -> Parts:
        return [self.parts[n] for n in range(self.chunks)]


def drive(
    tasks: list[Task],
    images_of: Callable[[Task], Images],
    pool: Pool,
    on_chunk: OnChunk,
    on_task: OnTask,
) -> None:
    """Run tasks chunk by chunk; hand each finished task over at once.

    A chunk is BATCH images whatever the pool is: the arithmetic, and so the result, does not
    depend on it.
    on_chunk, on_task: called in the calling thread; `on_task` gets the outcomes of a task's
        cells by chunk, or its failure, and the seconds it took.
    """
    pending: dict[Any, tuple[int, int]] = {}
    opened: dict[int, _Open] = {}

    def take(limit: int) -> None:
        while len(pending) > limit:
            for future in pool.ended(pending.keys()):
                number, chunk = pending.pop(future)
                task, state = tasks[number], opened[number]
                found, seconds = pool.result(future)
                state.seconds += seconds
                if isinstance(found, Failure):
                    state.failure = state.failure or found
                    found = {}
                state.parts[chunk] = found
                on_chunk(task, state.chunks)
                if len(state.parts) == state.chunks:
                    on_task(task, state.failure or state.in_order(), state.seconds)
                    del opened[number]

    for number, task in enumerate(tasks):
        images = images_of(task)
        starts = range(0, len(images), BATCH)
        opened[number] = _Open(len(starts))
        for chunk, start in enumerate(starts):
            part = images[start : start + BATCH]
            pending[pool.submit(task, part)] = (number, chunk)
            take(limit=pool.limit)
    take(limit=0)
