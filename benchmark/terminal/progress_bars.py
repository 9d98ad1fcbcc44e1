"""What a command shows while it works. Importable without torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.execution.progress import Progress
from benchmark.terminal.displays import display_for
from benchmark.terminal.shares import counted
from benchmark.terminal.tracker import Tracker


@contextmanager
def starting() -> Iterator[None]:
    """Show that a command starts, while its code is imported."""
    tracker = Tracker()
    tracker.place("starting")
    shown = display_for(tracker)
    shown.start()
    try:
        yield
    finally:
        shown.stop(done=False)


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Show where some work stands until the block ends: "study 5 of 12, 40 %, 0:03:10 left".

    A terminal and a notebook have one line that changes; through a pipe there is one line a minute.
    All commands use it. An error within the first moments is one line and nothing else.
    """
    tracker = Tracker()
    tracker.place("starting")
    tracker.step("" if "torch" in sys.modules else "loading PyTorch")
    shown = display_for(tracker)
    shown.start()
    done = False

    hooks = Progress(
        message=shown.message,
        place=tracker.place,
        step=tracker.step,
        share=tracker.share,
        restart=tracker.restart,
    )
    try:
        yield counted(hooks)
        done = True
    finally:
        shown.stop(done)
