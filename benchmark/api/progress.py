"""What a call shows while it works: a bar in the terminal, or one below the notebook's cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

from benchmark.api.notebook import Place, in_notebook
from benchmark.execution.plan import Work
from benchmark.execution.progress import Progress
from benchmark.terminal.progress_bars import run_progress

# seconds between two updates of a notebook, and messages that stay
EVERY, KEPT = 0.2, 6
WARNING = "warning:"


@contextmanager
def shown(progress: bool | Progress) -> Iterator[Progress]:
    """Provide the hooks of a run.

    progress: True shows it where the caller looks, False nowhere; hooks are used as they are.
    """
    if isinstance(progress, Progress):
        yield progress
    elif not progress:
        yield Progress()
    elif in_notebook():
        bar = NotebookBar(Place())
        try:
            yield Progress(
                message=bar.message, started=bar.started, advanced=bar.advanced, epoch=bar.epoch
            )
        finally:
            bar.stop()
    else:
        with run_progress() as hooks:
            yield hooks


class NotebookBar:
    """The hooks of a run, drawn as a bar below a cell; of messages only warnings stay."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._begin = self._last = time.monotonic()
        self._cells, self._finished, self._work, self._done = 0, 0, 0.0, 0.0
        self._text = "starting"
        self._warnings: list[str] = []

    def message(self, text: str) -> None:
        """Show a line until the next one; a warning until the end."""
        if text.startswith(WARNING):
            self._warnings.append(text)
        else:
            self._text = text
        self._draw(at_once=True)

    def started(self, cells: int, reused: int, work: float) -> None:
        """Begin the bar."""
        self._cells, self._work, self._begin = cells, work, time.monotonic()
        self._text = f"{reused} cells were stored already and are reused" if reused else "running"
        self._draw(at_once=True)

    def advanced(self, task: Work, work: float, cells: int) -> None:
        """Move the bar."""
        self._done += work
        self._finished += cells
        self._text = f"{task.dataset} {task.network} {task.name}"
        self._draw()

    def epoch(self, row: dict[str, float]) -> None:
        """Say which epoch a training is at."""
        self._text = f"training, epoch {row['epoch']:.0f}"
        self._draw()

    def stop(self) -> None:
        """Leave one line, and the warnings."""
        if not self._finished and not self._warnings:
            self._place.show("", "")
            return
        seconds = time.monotonic() - self._begin
        count = f"{self._finished} of {self._cells} cells" if self._cells else "no cell"
        self._show(f"{count} in {seconds:.0f} s", "")

    def _draw(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._last < EVERY:
            return
        self._last = now
        if not self._cells:
            self._show(self._text, "")
            return
        share = min(1.0, self._done / self._work) if self._work > 0 else 0.0
        text = f"{self._finished}/{self._cells} cells, {100 * share:.0f} %"
        if 0 < share < 1:
            left = round((now - self._begin) * (1 - share) / share)
            text += f", {left // 60}:{left % 60:02d} left"
        bar = f'<progress value="{share:.3f}" max="1" style="width: 16em"></progress> '
        self._show(f"{text}: {self._text}", bar)

    def _show(self, text: str, bar: str) -> None:
        lines = [text, *self._warnings[:KEPT]]
        if len(self._warnings) > KEPT:
            lines.append(f"and {len(self._warnings) - KEPT} more warnings")
        html = "<br>".join([bar + escape(text), *map(escape, lines[1:])])
        self._place.show(f"<div>{html}</div>", "\n".join(lines))
