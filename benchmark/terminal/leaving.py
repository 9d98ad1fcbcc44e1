"""How the program ends at Ctrl-C, also where KeyboardInterrupt would be lost."""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from estimators.interrupts import importing, interrupts

STOPPED = "\nstopped; what is finished is kept, and the same command continues\n"
# seconds from Ctrl-C until the program ends, although KeyboardInterrupt did not end it
GRACE = 30.0
# remove the line of progress, and show the cursor
_CURSOR = "\r\x1b[2K\x1b[?25h"


def leave(code: int) -> NoReturn:
    """End this program at once: its threads may be in the middle of a long chunk.

    Where another program calls the command, only SystemExit is raised.
    """
    if _alone():
        _exit(code)
    sys.exit(code)


@contextmanager
def ended_by_ctrl_c(code: int) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C came; it ends the program in any case.

    code: the exit code then.

    KeyboardInterrupt alone does not. Below an import it is lost in callbacks of the import system,
    or it crashes a C++ extension, so the program ends inside the signal handler there. Finalizers
    and external code may swallow it too: then the program ends GRACE seconds later.
    """
    # asked now: a line of progress takes the streams' places
    alone, left = _alone(), False

    def end(frame: FrameType | None) -> None:
        if not alone:
            return
        if importing(frame):
            _end(code)
        # threading.Thread takes a lock, which the interrupted code may hold
        _thread.start_new_thread(later, ())

    def later() -> None:
        time.sleep(GRACE)
        if not left:
            _end(code)

    with interrupts(end) as came:
        try:
            yield came
        finally:
            left = True


def _alone() -> bool:
    """Return whether this process is the program, not one that calls the command."""
    return (sys.stdout, sys.stderr) == (sys.__stdout__, sys.__stderr__)


def _end(code: int) -> NoReturn:
    """Say that the program was stopped, and end it. Safe in a signal handler."""
    errors = sys.__stderr__
    if errors is not None:
        with suppress(OSError, ValueError):  # closed
            text = (_CURSOR if errors.isatty() else "") + STOPPED
            os.write(errors.fileno(), text.encode())
    _exit(code)


def _exit(code: int) -> NoReturn:
    # they would go on for minutes; a module that is not loaded yet has started none
    module = sys.modules.get("multiprocessing")
    for process in getattr(module, "active_children", tuple)():
        process.kill()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            # a pipe that is closed; or a signal came while this stream was written
            with suppress(OSError, RuntimeError, ValueError):
                stream.flush()
    os._exit(code)
