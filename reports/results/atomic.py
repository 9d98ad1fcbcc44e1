"""Atomic writing: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from reports.errors import TableError

# of temporary files, as in `estimators.atomic`
PREFIX = ".art-bench-"


def replace_text(path: Path, text: str) -> None:
    """Replace the content of a file by a text (UTF-8, line ends as they are).

    What UTF-8 has no place for, as the bytes of a file name of another encoding, is escaped. See
    `replace_bytes`.
    """
    replace_bytes(path, text.encode("utf-8", "backslashreplace"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace the content of a file.

    The temporary file has a name of its own, so that several processes may write the same file: the
    last one wins. Its name begins as those of runs, which remove what a killed process left.

    Raises TableError if the file cannot be written; its old content then stays.
    """
    partial: Path | None = None
    try:
        if path.exists() and not path.is_file():  # a terminal, a pipe
            path.write_bytes(content)
            return
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=path.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the name: a power cut leaves the old file or the new
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        if partial is not None:
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
