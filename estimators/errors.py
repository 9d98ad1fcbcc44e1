"""The exception for everything that the user can fix, and checks of parameters that raise it."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: a message of one line that says what, where and what to do (exit code 2)."""


class NetworkError(InputError):
    """An external network that raised, or that cannot be used.

    name: of the network. reason: what is wrong with it, or class and first line of what it raised.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"network {self.name}: {self.reason}"


class EndsProgram(Exception):
    """What external code raised to end the program, as sys.exit does; its text is class and reason.

    The user's Ctrl-C is none (`estimators.interrupts`).
    """


def class_and_line(error: BaseException) -> str:
    """Return the class and the first line of an error."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


class DataUnavailable(InputError):
    """A data set that is neither on disk nor downloadable; its cells become `skipped` rows."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name; it lists the known names and the nearest."""
    names = sorted(known)
    lower = {known_name.lower(): known_name for known_name in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    hint = f" (did you mean {lower[near[0]]!r}?)" if near else ""
    return InputError(f"unknown {kind} {name!r}{hint}; known: {', '.join(names)}")


def install_extra(extra: str) -> str:
    """Return the command that installs an optional part of this package, and where to run it."""
    return f"pip install '.[{extra}]' in a checkout of art-bench"


def check_utf8(what: str, text: str) -> None:
    """Raise InputError for a text that UTF-8 cannot hold, as a file name of another encoding.

    Tables, stores and pages are UTF-8. what: names the text in the message, as `data set`.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{what} {text}: is not UTF-8; rename the file or folder") from error


def whole(what: str, value: object, low: int, high: float = math.inf) -> int:
    """Return an integer in [low, high].

    what: names the parameter in the message, as in `defence jpeg: quality`.

    Raises InputError for any other value.
    """
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    limits = f"from {low} up" if math.isinf(high) else f"from {low} to {high}"
    raise InputError(f"{what} must be an integer {limits}, got {reprlib.repr(value)}")


def number(what: str, value: object, low: float, high: float = math.inf, ends: str = "[]") -> float:
    """Return a finite number of an interval as a float.

    what: names the parameter in the message.
    ends: brackets of the interval; a round one excludes its limit, as in mathematics.

    Raises InputError for any other value, NaN included.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value):
        above = low < value if ends[0] == "(" else low <= value
        below = value < high if ends[1] == ")" else value <= high
        if above and below:
            return float(value)
    limits = f"{ends[0]}{low:g}, {high:g}{')' if math.isinf(high) else ends[1]}"
    raise InputError(f"{what} must be a number in {limits}, got {reprlib.repr(value)}")


def _is_finite(value: float) -> bool:
    """Return whether a number is one that a float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
