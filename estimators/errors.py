"""The exception for everything that the user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: a message of one line that says what, where and what to do (exit code 2)."""


class DataUnavailable(InputError):
    """A data set that is neither on disk nor downloadable; its cells become `skipped` rows."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name; it lists the known names and the nearest."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return InputError(f"unknown {kind} {name!r}{hint}; known: {', '.join(names)}")
