"""Atomic writing: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reports.errors import TableError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# of temporary files, as in `estimators.atomic`
PREFIX = ".art-bench-"


def replace_text(path: Path, text: str) -> None:
    """Replace the content of a file by a text (UTF-8, line ends as they are).

    What UTF-8 has no place for, as the bytes of a file name of another encoding, is escaped. See
    `replace_bytes`.
    """
    replace_bytes(path, text.encode("utf-8", "backslashreplace"))


def replace_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace the content of a file by what `write` puts into a file in memory."""
    content = io.BytesIO()
    write(content)
    replace_bytes(path, content.getvalue())


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace the content of a file; its rights stay.

    The temporary file has a name of its own, so that several processes may write the same file: the
    last one wins. Its name begins as those of `estimators.atomic`, and it is locked as those, so
    that a run or a study removes it only after its process has died.

    Raises TableError if the file cannot be written; its old content then stays.
    """
    try:
        old = path.stat() if path.exists() else None
        # a terminal, a pipe; a file in a folder where no other can be made
        if old is not None and not (path.is_file() and os.access(path.parent, os.W_OK)):
            path.write_bytes(content)
            return
        with _temporary(path.parent) as partial:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # before the name: a power cut leaves the old or the new
            partial.chmod(0o644 if old is None else old.st_mode & 0o777)
            partial.replace(path)
    except OSError as error:
        raise TableError(
            f"{path}: cannot be written ({error.strerror}); free the space or the name, try again"
        ) from error


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Make a file that no sweep takes as long as this process lives; remove it if it is left."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
        if fcntl is None:
            os.close(handle)
            break
        with suppress(OSError):  # no locks here
            fcntl.flock(handle, fcntl.LOCK_SH)
        if os.path.exists(name):
            break
        os.close(handle)  # a sweep was faster than the lock
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            os.unlink(name)
        if fcntl is not None:
            os.close(handle)


def csv_text(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV with line feeds; the same rows give the same text on every system."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
