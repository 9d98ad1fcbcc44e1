"""What a network prints is kept from the terminal: it would break tables and progress bars."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def silenced() -> Iterator[list[str]]:
    """Drop what this thread prints until the end of the block; other threads still print.

    Yields a list that gets the first line that was dropped.
    """
    before = getattr(_thread, "heard", None)
    heard: list[str] = []
    _thread.heard = heard
    _streams.enter()
    try:
        yield heard
    finally:
        _streams.leave()
        _thread.heard = before
        heard[:] = [text.splitlines()[0].strip() for text in heard]


class _Routed:
    """A stream that drops what silenced threads write; all else goes to the stream behind it."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        heard: list[str] | None = getattr(_thread, "heard", None)
        if heard is None:
            self._behind.write(text)
        elif heard and "\n" not in heard[0]:
            heard[0] += text
        elif not heard and text.strip():
            heard.append(text.lstrip())
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class _Streams:
    """Puts routed streams into `sys` while any thread is silenced.

    (`contextlib.redirect_stdout` would silence all threads, and restore in the wrong order.)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silenced = 0
        self._routed: dict[str, tuple[_Routed, Any]] = {}

    def enter(self) -> None:
        with self._lock:
            self._silenced += 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None and not isinstance(stream, _Routed):
                    self._routed[name] = _Routed(stream), stream
                    setattr(sys, name, self._routed[name][0])

    def leave(self) -> None:
        with self._lock:
            self._silenced -= 1
            if self._silenced:
                return
            for name, (routed, stream) in self._routed.items():
                # a progress bar may have put another stream there meanwhile
                if getattr(sys, name) is routed:
                    setattr(sys, name, stream)
            self._routed.clear()


_thread = threading.local()
_streams = _Streams()
