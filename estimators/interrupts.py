"""What ends a program: the user's Ctrl-C, told from what external code raises."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from estimators.errors import EndsProgram, class_and_line


@contextmanager
def interrupts(
    at: Callable[[FrameType | None], None] | None = None,
) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C came since the block began.

    at: called with the running frame when Ctrl-C comes, before KeyboardInterrupt is raised.

    Python handles signals in the main thread alone, so it never comes in another one. Where another
    program that embeds Python handles them, nothing can be told: then it may have come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        # ignored, or left to the system: it raises nothing
        yield lambda: before is None
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if at is not None:
            at(frame)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        # external code may have set a handler of its own
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)


def importing(frame: FrameType | None) -> bool:
    """Return whether a frame runs below an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextmanager
def contained() -> Iterator[None]:
    """Run external code; what it raises to end the program becomes EndsProgram, an exception.

    Other exceptions stay as they are, and so does the user's Ctrl-C.
    """
    with interrupts() as came:
        try:
            yield
        except BaseException as error:
            ctrl_c = isinstance(error, KeyboardInterrupt) and came()
            if ctrl_c or isinstance(error, Exception):
                raise
            raise EndsProgram(class_and_line(error)) from error
