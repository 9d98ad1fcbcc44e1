"""The one exception that means "the user can mend this"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: a message of one line that says what, where and what to do (exit code 2)."""


class DataUnavailable(InputError):
    """A data set that is neither at hand nor can be downloaded: its cells become `skipped` rows."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that no registry holds: names the known ones and the nearest."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return InputError(f"unknown {kind} {name!r}{hint}; known: {', '.join(names)}")
