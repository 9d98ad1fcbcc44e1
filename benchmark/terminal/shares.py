"""A run's hooks in words and shares: cells, the files after them, and trainings before them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmark.execution.progress import Progress
from reports.style.shortened import shortened

if TYPE_CHECKING:
    from benchmark.execution.plan import Work
    from reports.style.labels import Labels

# what a run does after its last cell, in this order, and the expected share of each in their time
FILES = {
    "writing tables": 0.05,
    "checking for false robustness": 0.1,
    "drawing plots": 0.45,
    "drawing the gallery": 0.3,
    "writing the page": 0.1,
}
# characters of a network's or an attack's name
NAME = 24
# expected seconds of these files: fixed, and per cell
FILES_SECONDS = 10.0, 0.005


def counted(progress: Progress, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Return hooks for a run which tell `progress` its place, step and share.

    Cells count by their expected work. The files that are written afterwards are a part of the run:
    before the last of them the share is below 1.
    clock: returns seconds; another one serves tests.
    """
    run = _Run(progress, clock)
    return replace(
        progress,
        started=run.started,
        advanced=run.advanced,
        epoch=run.epoch,
        labels=run.take_labels,
        finishing=run.finish,
    )


@dataclass
class _Run:
    """Where a run stands. Its shares are those of its time: cells and files have no common unit."""

    progress: Progress
    clock: Callable[[], float]
    labels: Labels | None = None
    began: float = 0.0
    cells: int = 0
    finished: int = 0
    work: float = 0.0
    worked: float = 0.0
    files_seconds: float = 1.0
    cells_seconds: float = 0.0

    def take_labels(self, labels: Labels) -> None:
        self.labels = labels

    def started(self, cells: int, reused: int, work: float) -> None:
        if reused:
            self.progress.message(f"{reused} cells were stored already and are reused")
        self.began, self.cells, self.work = self.clock(), cells, max(work, 1e-9)
        fixed, per_cell = FILES_SECONDS
        self.files_seconds = fixed + per_cell * (cells + reused)
        self.progress.restart()
        if cells:
            self.progress.place(f"cell 1 of {cells}")
        self.progress.share(0.0)

    def advanced(self, task: Work, work: float, cells: int) -> None:
        self.finished += cells
        self.worked = min(self.work, self.worked + work)
        at = min(self.finished + 1, self.cells)
        self.progress.place(f"cell {at} of {self.cells}")
        self.progress.step(self._named(task))
        self.cells_seconds = self.clock() - self.began
        if self.worked:
            expected = self.cells_seconds * self.work / self.worked
            self.progress.share(self.cells_seconds / (expected + self.files_seconds))

    def _named(self, task: Work) -> str:
        network, known = str(task.network), self.labels
        if known is None:
            return f"{network} on {task.dataset}, {task.name}"
        where = f"{shortened(known.network(network), NAME)} on {known.dataset(task.dataset)}"
        return f"{where}, {shortened(known.attack(task.name), NAME)}"

    def finish(self, text: str) -> None:
        before = list(FILES).index(text)
        done = self.cells_seconds + sum([*FILES.values()][:before]) * self.files_seconds
        self.progress.place("")
        self.progress.share(done / (self.cells_seconds + self.files_seconds))
        self.progress.step(text)

    def epoch(self, row: dict[str, float]) -> None:
        self.progress.step(f"epoch {row['epoch']:.0f} done, test {row['test_accuracy']:.3f}")


def training_share(progress: Progress, what: str) -> Callable[[float], None]:
    """Return what takes the share of a training and tells it by place and share.

    what: the training, as "training lenet on mnist".
    """
    begun: list[bool] = []

    def on_share(share: float) -> None:
        if not begun:
            begun.append(True)
            progress.restart()
            progress.place(what)
        progress.share(share)

    return on_share
