"""Which records of a run store are too long to be read, told without reading them.

SQLite's `length` reads a text to count its characters up to the first NUL, and takes the length of
a blob from the header of the record. Of both, `octet_length` (SQLite 3.43) and an open blob (Python
3.11) tell the bytes from the header. With neither, a text is read to be measured.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmark.runs.records.check import LONGEST_BLOB, LONGEST_ROW

# the most bytes of each value
MOST = {
    "key": LONGEST_ROW,
    "row": LONGEST_ROW,
    "predictions": LONGEST_BLOB,
    "checksum": LONGEST_ROW,
}


class TooLong(NamedTuple):
    """A record with values that are too long. rowid: its number. columns: of these values."""

    rowid: int
    columns: tuple[str, ...]


def limit_lengths(db: sqlite3.Connection) -> None:
    """Let SQLite raise DataError in the place of reading what is longer than any record may be."""
    _limit(db, sum(MOST.values()))


def too_long(db: sqlite3.Connection, path: Path) -> list[TooLong]:
    """Return the records that are too long to be read, of the store at `path` that is open."""
    # the size of the file tells at once that a small store has none
    found: dict[int, list[str]] = {}
    size = sum(p.stat().st_size for p in (path, Path(f"{path}-wal")) if p.exists())
    have = [column[1] for column in db.execute("PRAGMA table_info(cells)")]
    most = {name: limit for name, limit in MOST.items() if name in have and limit < size}
    for name, limit in most.items() if most and _may_have(db, most) else ():
        for rowid in _longer(db, name, limit):
            found.setdefault(rowid, []).append(name)
    limit_lengths(db)
    return [TooLong(rowid, tuple(names)) for rowid, names in sorted(found.items())]


def _limit(db: sqlite3.Connection, most: int) -> None:
    if hasattr(db, "setlimit"):  # Python 3.11
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)


def _may_have(db: sqlite3.Connection, most: dict[str, int]) -> bool:
    """Return whether there may be a value that is too long, by one scan within a limit."""
    if not hasattr(db, "setlimit"):
        return True
    # SQLite raises an error before it reads a longer text
    _limit(db, min(most.values()))
    each = " OR ".join(f"length({name}) NOT BETWEEN 0 AND {most[name]}" for name in most)
    try:
        (many,) = db.execute(f"SELECT count(*) FROM cells NOT INDEXED WHERE {each}").fetchone()
    except sqlite3.DataError:
        return True
    return bool(many)


def _longer(db: sqlite3.Connection, name: str, limit: int) -> Iterator[int]:
    """Yield the numbers of the records whose value in a column is longer than a limit."""
    _limit(db, (1 << 31) - 1)  # SQLite's own limit where this is above it
    told = sqlite3.sqlite_version_info >= (3, 43)
    if told or not hasattr(db, "blobopen"):
        length = "octet_length" if told else "length"
        query = f"SELECT rowid FROM cells NOT INDEXED WHERE {length}({name}) > {limit}"
        yield from (rowid for (rowid,) in db.execute(query).fetchall())
        return
    # a default value that the record itself does not hold cannot be opened, and is short
    query = f"SELECT rowid FROM cells NOT INDEXED WHERE typeof({name}) IN ('text', 'blob')"
    for (rowid,) in db.execute(query).fetchall():
        size = 0
        with (
            suppress(sqlite3.OperationalError),
            db.blobopen("cells", name, rowid, readonly=True) as value,
        ):
            size = len(value)
        if size > limit:
            yield rowid
