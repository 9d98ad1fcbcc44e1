"""What a command shows while it works: bars and a spinner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import progress as rich_progress
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.progress import ProgressColumn, TextColumn

from benchmark.execution.progress import Progress
from benchmark.terminal.console import console
from reports.style.labels import NO_LABELS, Labels
from reports.style.shortened import shortened

if TYPE_CHECKING:
    from benchmark.execution.plan import Work

WIDTH = 24


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Show a bar with the finished cells and the time left.

    It appears with the first work, so that an earlier error is one line and nothing else.
    """
    bar = _bar(TextColumn("{task.description}"), TextColumn("{task.fields[cells]}"))
    shown = _RunBar(bar)
    try:
        yield Progress(shown.message, shown.started, shown.advanced, shown.epoch, shown.labels)
    finally:
        bar.stop()


class _RunBar:
    """The hooks of a run, drawn as one bar over the expected work."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._job = bar.add_task(f"{'starting':<{WIDTH}}", total=None, cells="")
        self._cells, self._finished, self._work = 0, 0, 1.0
        self._labels = NO_LABELS

    def labels(self, labels: Labels) -> None:
        self._labels = labels

    def message(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, cells: int, reused: int, work: float) -> None:
        if reused:
            self.message(f"{reused} cells were stored already and are reused")
        if cells:
            self._cells, self._work = cells, max(work, 1e-9)
            self._bar.update(self._job, total=self._work, cells=f"0/{cells} cells")
            self._bar.start()

    def advanced(self, task: Work, work: float, cells: int) -> None:
        self._finished += cells
        known = self._labels
        name = f"{known.place(task.dataset, str(task.network))} {known.attack(task.name)}"
        shown = escape(f"{shortened(name, WIDTH):<{WIDTH}}")
        cells_text = f"{self._finished}/{self._cells} cells"
        self._bar.update(self._job, advance=work, description=shown, cells=cells_text)
        if self._finished == self._cells:
            self._bar.update(self._job, description=f"{'done':<{WIDTH}}", completed=self._work)
            self._bar.stop()

    def epoch(self, row: dict[str, float]) -> None:
        self._bar.start()
        self._bar.update(self._job, description=f"training, epoch {row['epoch']:.0f}")


@contextmanager
def epoch_progress(total: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """Show a bar over the epochs of a training; none where nothing is trained."""
    count, accuracy = rich_progress.MofNCompleteColumn(), TextColumn("{task.fields[accuracy]}")
    bar = _bar(TextColumn("training"), count, accuracy)
    job = bar.add_task("training", total=total, accuracy="")

    def on_epoch(row: dict[str, float]) -> None:
        bar.start()
        text = f"train {row['train_accuracy']:.3f} test {row['test_accuracy']:.3f}"
        bar.update(job, advance=1, accuracy=text)

    try:
        yield on_epoch
    finally:
        bar.stop()


@contextmanager
def study_status(name: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with the current step of a study; nothing where output is not a terminal."""
    with console.status(name) as status:
        yield lambda text: status.update(f"{name}: {text}")


def _bar(first: ProgressColumn, *more: ProgressColumn) -> Bar:
    """Return a bar with the time that has passed and the time left."""
    passed, left = rich_progress.TimeElapsedColumn(), rich_progress.TimeRemainingColumn()
    bar = rich_progress.BarColumn(bar_width=WIDTH)
    return Bar(first, bar, *more, passed, TextColumn("left"), left, console=console)
