"""Writing a file whole: whoever reads it sees the old one or the new one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reports.errors import TableError


def replace_text(path: Path, text: str) -> None:
    """Put a text (UTF-8, line ends as they are) in the place of a file.

    Raises TableError where it cannot be written; what was there before then stays.
    """
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(text.encode("utf-8"))
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise TableError(f"{path}: cannot be written ({error.strerror}); mend that") from error


def csv_text(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV with line feeds; the same rows give the same text on every system."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
