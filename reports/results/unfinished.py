"""The mark of a run directory whose files are being written, so that none is taken for whole.

A command sets the mark before it replaces its first file and removes it after the last one. One
that is killed in between leaves the mark, and the same command writes all files again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reports.results.atomic import replace_text

FILE = "run.unfinished"
# what a reader is told, behind the name of the directory
NOTE = (
    "the command that writes these files was stopped, or is still running; some of them may be of"
    " an earlier run; repeat that command, and it writes all of them"
)
# what the next run says
AGAIN = "a run was stopped while it wrote its files; all of them are written again"


@contextmanager
def being_written(directory: Path) -> Iterator[None]:
    """Mark a run directory during a block. After an error the mark stays.

    Raises TableError where the mark cannot be written.
    """
    replace_text(directory / FILE, f"{NOTE}\n")
    yield
    with suppress(OSError):  # Windows opens no folder
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)  # a power cut does not take back what the mark stood for
        finally:
            os.close(handle)
    (directory / FILE).unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a path is a run directory with the mark."""
    return (path / FILE).is_file()
