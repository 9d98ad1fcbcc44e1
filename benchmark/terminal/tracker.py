"""Where work stands, as one line: "study 5 of 12, 40 %, 0:03:10 left: low-pass"."""

from __future__ import annotations

import time
from collections.abc import Callable

from reports.style.plain_text import one_line

# below this share an estimate of the time left would be a guess
LEAST_SHARE = 0.005


class Tracker:
    """Keep place, step and share of some work, and estimate the time left from the work done.

    clock: returns seconds; another one serves tests. changed: called after each change.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.changed: Callable[[], None] = lambda: None
        self.begun = clock()
        self._place, self._step = "", ""
        self._share: float | None = None
        self._first = 0.0
        self._shares_began = self._updated = self.begun

    def place(self, text: str) -> None:
        """Take where the work stands."""
        self._place = text
        self.changed()

    def step(self, text: str) -> None:
        """Take what is done now."""
        self._step = text
        self.changed()

    def share(self, share: float) -> None:
        """Take the share that is done, from 0 to 1."""
        now = self.clock()
        if self._share is None:
            # what was done before took a time that nobody told
            self._shares_began, self._first = now, share
        self._share = min(1.0, max(share, self._share or 0.0))
        self._updated = now
        self.changed()

    def restart(self) -> None:
        """Begin another kind of work: its shares count from 0."""
        self._share, self._place, self._step = None, "", ""
        self.changed()

    def left(self) -> float | None:
        """Return the expected seconds left; None where too little is done to say.

        What is left takes as long, share for share, as what is done. Between two reports the value
        counts down, and rises again where a report is late. None below one second: what takes
        longer than expected does not stand at 0:00:00.
        """
        if self._share is None or self._share - self._first < LEAST_SHARE:
            return None
        per_share = (1 - self._share) / (self._share - self._first)
        since = self.clock() - self._updated
        took = self._updated - self._shares_began
        left = max(took * per_share - since, since * per_share)
        return left if left >= 1 else None

    def text(self) -> str:
        """Return place, percentage, time left and step as one line."""
        parts = [self._place] if self._place else []
        if self._share is not None:
            # it is not done before the program says so
            parts.append(f"{min(99, int(self._share * 100))} %")
            left = self.left()
            if left is not None:
                parts.append(f"{hours(left)} left")
        where = ", ".join(parts)
        return one_line(": ".join(text for text in (where, self._step) if text))

    def done_text(self) -> str:
        """Return the last line."""
        return f"done after {hours(self.clock() - self.begun)}"


def hours(seconds: float) -> str:
    """Return a duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
