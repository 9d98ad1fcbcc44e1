"""Files of a run that others may have written: their size is bounded before they are unpacked.

`estimators.bounded` is the same for other small files.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from reports.errors import TableError

# bytes of a column that a table may unpack to; 10,000 cells with 10,000 images have 400 MB of ids
LARGEST_COLUMN = 1 << 30
# rows of a table: 150 million predictions take 2 GB
MOST_ROWS = 150_000_000
# bytes of a manifest or of another text; JSON takes up to 22 times as much memory
LARGEST_TEXT = 1 << 26
# bytes of all arrays of a study; those of the included ones have 20 MB
LARGEST_ARRAYS = 1 << 30
_BLOCK = 1 << 16


def bounded(file: pq.ParquetFile, most_rows: int | None = None) -> pq.ParquetFile:
    """Return a table whose declared sizes are within bounds; TableError for another one.

    Equal values take no room in Parquet, so the size of the file says nothing. most_rows: by
    default MOST_ROWS.
    """
    about, most = file.metadata, MOST_ROWS if most_rows is None else most_rows
    if about.num_rows > most:
        raise TableError(f"has {about.num_rows:,} rows, expected at most {most:,}")
    for column in range(about.num_columns):
        groups = (about.row_group(at).column(column) for at in range(about.num_row_groups))
        size = sum(group.total_uncompressed_size for group in groups)
        if size > LARGEST_COLUMN:
            raise TableError(
                f"has a column that unpacks to {size:,} bytes, expected at most {LARGEST_COLUMN:,}"
            )
    return file


def bounded_bytes(path: Path, most: int | None = None) -> bytes:
    """Return the content of a file; ValueError for one of more than `most` bytes.

    most: by default LARGEST_TEXT. The size that the file system states is no bound: a device has
    none, and a file may grow.
    """
    most = LARGEST_TEXT if most is None else most
    size, content = path.stat().st_size, bytearray()
    if size > most:
        raise ValueError(f"{size:,} bytes, expected at most {most:,}")
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            content += block
            if len(content) > most:
                raise ValueError(f"more than {most:,} bytes")
    return bytes(content)


def bounded_text(path: Path, most: int | None = None, encoding: str = "utf-8") -> str:
    """Return the text of a file, lines ended by line feeds; ValueError as `bounded_bytes`.

    A file of another encoding is a UnicodeDecodeError, which is a ValueError.
    """
    text = bounded_bytes(path, most).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def bounded_json(path: Path, most: int | None = None) -> Any:
    """Return the value in a JSON file; ValueError for any other, and as `bounded_bytes`."""
    text = bounded_text(path, most)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def bounded_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an `.npz` file by name; TableError for one that unpacks to too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_ARRAYS:
            raise ValueError(f"unpacks to {size:,} bytes, expected at most {LARGEST_ARRAYS:,}")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("a member is no array")
        return arrays
    except (OSError, ValueError, KeyError, MemoryError, EOFError, zipfile.BadZipFile) as error:
        raise TableError(
            f"arrays {path}: cannot be read ({error}); compute the study again"
        ) from error
