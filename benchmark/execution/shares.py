"""A run's hooks in words and shares: cells, the files after them, and trainings before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmark.execution.progress import Progress

if TYPE_CHECKING:
    from benchmark.execution.plan import Work

# what a run does after its last cell, in this order
FILES = (
    "writing tables",
    "drawing plots",
    "checking for false robustness",
    "drawing the gallery",
    "writing the page",
)
# expected seconds of these files: fixed, and per cell
FILES_SECONDS = 8.0, 0.005


def counted(progress: Progress) -> Progress:
    """Return hooks for a run which tell `progress` its place, step and share.

    Cells count by their expected work. The files that are written afterwards are a part of the run:
    before the last of them the share is below 1.
    """
    run = _Run(progress)
    return replace(
        progress, started=run.started, advanced=run.advanced, epoch=run.epoch, step=run.step
    )


@dataclass
class _Run:
    """Where a run stands."""

    progress: Progress
    cells: int = 0
    finished: int = 0
    work: float = 0.0
    worked: float = 0.0
    files: float = 1.0

    def started(self, cells: int, reused: int, work: float) -> None:
        if reused:
            self.progress.message(f"{reused} cells were stored already and are reused")
        self.cells, self.work = cells, max(work, 1e-9) if cells else 0.0
        fixed, per_cell = FILES_SECONDS
        self.files = fixed + per_cell * (cells + reused)
        self.progress.restart()
        if cells:
            self.progress.place(f"cell 1 of {cells}")
        self._tell(0.0)

    def advanced(self, task: Work, work: float, cells: int) -> None:
        self.finished += cells
        self.worked = min(self.work, self.worked + work)
        at = min(self.finished + 1, self.cells)
        self.progress.place(f"cell {at} of {self.cells}")
        self.progress.step(f"{task.dataset} {task.network} {task.name}")
        self._tell(0.0)

    def step(self, text: str) -> None:
        if text in FILES:
            self.worked = self.work
            self.progress.place("")
            self._tell(FILES.index(text) / len(FILES))
        self.progress.step(text)

    def epoch(self, row: dict[str, float]) -> None:
        self.progress.step(f"epoch {row['epoch']:.0f} done, test {row['test_accuracy']:.3f}")

    def _tell(self, files: float) -> None:
        """Report the share; files: the share of the files that is written."""
        self.progress.share((self.worked + files * self.files) / (self.work + self.files))


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
