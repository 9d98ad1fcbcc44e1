"""What a call shows while it works: the line of the command line, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.execution.progress import Progress
from benchmark.terminal.progress_bars import run_progress


@contextmanager
def shown(progress: bool | Progress) -> Iterator[Progress]:
    """Provide the hooks of a run.

    progress: True shows it in the terminal or the notebook, False nowhere; hooks are used as they
        are.
    """
    if isinstance(progress, Progress):
        yield progress
    elif progress:
        with run_progress() as hooks:
            yield hooks
    else:
        yield Progress()
