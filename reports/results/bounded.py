"""Files of a run that others may have written: their size is bounded before they are unpacked."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from reports.errors import TableError

# bytes of a column that a table may unpack to; 10,000 cells with 10,000 images have 400 MB of ids
LARGEST_COLUMN = 1 << 30
# rows of a table: 150 million predictions take 2 GB
MOST_ROWS = 150_000_000
# bytes of a manifest
LARGEST_TEXT = 1 << 28


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


def bounded_text(path: Path) -> str:
    """Return the text of a file; ValueError for one of more than LARGEST_TEXT bytes."""
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        raise ValueError(f"{size:,} bytes, expected at most {LARGEST_TEXT:,}")
    return path.read_text(encoding="utf-8")
