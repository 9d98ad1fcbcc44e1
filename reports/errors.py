"""The one exception of this package that means "the user can mend this"."""

from __future__ import annotations


class TableError(ValueError):
    """A results file that cannot be used: one line that says what, where and what to do."""
