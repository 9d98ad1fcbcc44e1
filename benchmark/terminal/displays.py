"""Three ways to show a line of progress: in a terminal, in a notebook, and through a pipe.

Progress goes to standard error, so that standard output holds results alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.live import Live
from rich.text import Text

from benchmark.terminal.console import above, console, errors
from benchmark.terminal.tracker import Tracker
from reports.style.plain_text import one_line

# seconds before the first line, so that an error found at once is the only line
FIRST = 0.5
# seconds between two lines through a pipe
EVERY = 60.0


class Display(Protocol):
    """Shows a tracker's line while work goes on."""

    def start(self) -> None:
        """Begin to show."""

    def message(self, text: str) -> None:
        """Show a line that stays."""

    def stop(self, done: bool) -> None:
        """End. done: whether the work is complete."""


def display_for(tracker: Tracker) -> Display:
    """Return the display that fits where standard error goes."""
    if errors.is_jupyter:
        return NotebookLine(tracker)
    if errors.is_terminal and not errors.is_dumb_terminal:
        return TerminalLine(tracker)
    return PipeLines(tracker)


class TerminalLine:
    """One line at the bottom of a terminal, which goes away at the end."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._live: Live | None = None
        self._timer = threading.Timer(FIRST, self._show)
        self._timer.daemon = True

    def start(self) -> None:
        """Show the line from FIRST seconds on."""
        self._timer.start()

    def _show(self) -> None:
        # what the program prints meanwhile stands above the line
        to_terminal = console.is_terminal
        self._live = Live(
            console=errors,
            transient=True,
            refresh_per_second=2,
            get_renderable=self._line,
            redirect_stdout=to_terminal,
        )
        self._live.start(refresh=True)
        if to_terminal:
            above.append(errors)

    def _line(self) -> Text:
        return Text(self._tracker.text(), no_wrap=True, overflow="ellipsis")

    def message(self, text: str) -> None:
        """Print a line above the moving one."""
        errors.print(one_line(text), soft_wrap=True)

    def stop(self, done: bool) -> None:
        """Remove the line: results follow."""
        self._timer.cancel()
        self._timer.join()
        if self._live is not None:
            above.clear()
            self._live.stop()


class PipeLines:
    """Whole lines without control characters: one at the start, one a minute, one at the end.

    write: takes a line. every: seconds between two lines.
    """

    def __init__(
        self, tracker: Tracker, write: Callable[[str], None] | None = None, every: float = EVERY
    ) -> None:
        self._tracker = tracker
        self._write = write or (lambda text: print(text, file=errors.file, flush=True))
        self._every = every
        self._next = tracker.clock() + FIRST
        self._written = False
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.2):
            self.tick()

    def tick(self) -> None:
        """Write a line if one is due."""
        with self._lock:
            now = self._tracker.clock()
            if now >= self._next and not self._stopped.is_set():
                self._next = now + self._every
                self._line(self._tracker.text())

    def message(self, text: str) -> None:
        """Write a line at once."""
        with self._lock:
            self._line(one_line(text))

    def stop(self, done: bool) -> None:
        """Write the last line, if there was one before."""
        with self._lock:
            self._stopped.set()
            if done and self._written:
                self._line(self._tracker.done_text())
        if self._thread.is_alive():
            self._thread.join()

    def _line(self, text: str) -> None:
        self._written = True
        self._write(text)


class NotebookLine:
    """One line below the cell of a notebook, which is replaced. It needs no widgets."""

    def __init__(self, tracker: Tracker, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracker, self._clock = tracker, clock
        self._handle: Any = None
        self._next = clock()

    def start(self) -> None:
        """Show the first line."""
        self._tracker.changed = self._changed
        self._update(self._tracker.text())

    def _changed(self) -> None:
        """Replace the line, at most twice a second."""
        if self._clock() >= self._next:
            self._update(self._tracker.text())

    def message(self, text: str) -> None:
        """Print a line that stays."""
        print(one_line(text))

    def stop(self, done: bool) -> None:
        """Leave the last line."""
        self._update(self._tracker.done_text() if done else "stopped")

    def _update(self, text: str) -> None:
        from IPython.display import display

        self._next = self._clock() + 0.5
        content = {"text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
