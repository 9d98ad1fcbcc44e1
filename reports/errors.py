"""The one exception of this package that means "the user can fix this"."""

from __future__ import annotations


class TableError(ValueError):
    """A file or option that cannot be used; the message is one line: what, where, what to do."""
