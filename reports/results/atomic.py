"""Atomic writing: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from reports.errors import TableError


def replace_text(path: Path, text: str) -> None:
    """Replace the content of a file by a text (UTF-8, line ends as they are).

    Raises TableError if the file cannot be written; its old content then stays.
    """
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(text.encode("utf-8"))
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise TableError(
            f"{path}: cannot be written ({error.strerror}); free the space or the name, try again"
        ) from error


def csv_text(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV with line feeds; the same rows give the same text on every system."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
