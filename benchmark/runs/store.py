"""The run store: every finished cell, at once and for good, in one SQLite file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from estimators.errors import InputError

FILE = "store.sqlite"
# as bytes: a flipped bit need not leave text that can be decoded
_BYTES = (
    "CAST(key AS BLOB), CAST(row AS BLOB), seconds, CAST(predictions AS BLOB),"
    " CAST(checksum AS BLOB)"
)
_COLUMNS = ("id", "label", "clean", "adversarial")
_TYPES = {"id": np.int32, "label": np.int16, "clean": np.int16, "adversarial": np.int16}


@dataclass(frozen=True)
class Stored:
    """One finished cell.

    key: the cell's key. row: its numbers, by column. seconds: what its share of the task took.
    predictions: a table of id, label, clean, adversarial; None for a row without numbers.
    """

    key: str
    row: dict[str, Any]
    seconds: float
    predictions: pd.DataFrame | None


class Store:
    """The finished cells of a run directory; each is written in one transaction.

    A row is kept with a checksum, so that a damaged one is found and computed again. Raises
    InputError for a file that SQLite cannot read, or cannot write (a full disk, for one); what was
    committed before stays.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE
        self._note = ""
        with self._told():
            self._db = _opened(self.path)
            try:
                # pages that contradict each other: SQLite itself looks only at those it needs
                (found,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
                if found != "ok":
                    self._rescue()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file; what was put stays."""
        self._db.close()

    def keys(self, failed: bool = True) -> set[str]:
        """Keys of the stored cells whose checksum holds; `failed=False` leaves failed ones out."""
        return {
            key
            for key, row, sound in self._checked()
            if sound and (failed or json.loads(row)["status"] != "failed")
        }

    def notes(self) -> Iterator[str]:
        """What is wrong with the file and is being mended, one line each."""
        if self._note:
            yield self._note
        damaged = sum(not sound for _, _, sound in self._checked())
        if damaged:
            yield (
                f"run store {self.path}: {damaged} cells do not fit their checksum and are not"
                " used; those of this grid are computed again"
            )

    def put(self, cells: Iterable[Stored]) -> None:
        """Write cells, all or none."""
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for cell in cells:
                    text = json.dumps(cell.row, sort_keys=True)
                    blob = None if cell.predictions is None else _packed(cell.predictions)
                    seconds = float(cell.seconds)
                    checksum = _checksum(cell.key.encode(), text.encode(), seconds, blob)
                    self._db.execute(
                        "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)",
                        (cell.key, text, seconds, blob, checksum),
                    )
                self._db.execute("COMMIT")
            except BaseException:
                # a full disk may have rolled back already
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def rows(self) -> dict[str, dict[str, Any]]:
        """The numbers of every stored cell whose checksum holds, by key."""
        return {key: json.loads(row) for key, row, sound in self._checked() if sound}

    def seconds(self) -> dict[str, float]:
        """The seconds of every stored cell, by key."""
        with self._told():
            return dict(self._db.execute("SELECT key, seconds FROM cells").fetchall())

    def get(self, key: str) -> Stored:
        """One stored cell; InputError where its checksum does not hold."""
        with self._told():
            record = self._db.execute(
                f"SELECT {_BYTES} FROM cells WHERE key = ?", (key,)
            ).fetchone()
            if record is None or not _sound(record):
                raise sqlite3.DatabaseError(f"cell {key} does not fit its checksum")
        _, row, seconds, blob, _ = record
        return Stored(key, json.loads(row), seconds, None if blob is None else _unpacked(blob))

    def _checked(self) -> Iterator[tuple[str, str, bool]]:
        """Key, row and whether the checksum holds, of every stored cell."""
        with self._told():
            for record in self._db.execute(f"SELECT {_BYTES} FROM cells"):
                yield _text(record[0]), _text(record[1]), _sound(record)

    def _rescue(self) -> None:
        """Go on with a new file that holds what can still be read; the old one is kept beside."""
        records = {}
        # from both ends, so that one bad page hides itself alone
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.DatabaseError):
                for record in self._db.execute(
                    f"SELECT {_BYTES} FROM cells NOT INDEXED ORDER BY rowid {order}"
                ):
                    if _sound(record):
                        records[record[0]] = record
        self._db.close()
        partial, kept = (self.path.with_name(FILE + end) for end in (".part", ".damaged"))
        partial.unlink(missing_ok=True)
        fresh = _opened(partial)
        fresh.execute("BEGIN")
        fresh.executemany(
            "INSERT INTO cells VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, CAST(? AS TEXT))",
            records.values(),
        )
        fresh.execute("COMMIT")
        fresh.close()
        for end in ("-wal", "-shm"):
            self.path.with_name(FILE + end).unlink(missing_ok=True)
        self.path.replace(kept)
        partial.replace(self.path)
        self._db = _opened(self.path)
        self._note = (
            f"run store {self.path}: was damaged and is kept as {kept.name};"
            f" {len(records)} cells could be read, the others are computed again"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as one line that says what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "full" in text or "I/O" in text:
                what, mend = "cannot be written", "make room; the same command continues"
            elif "unable to open" in text or "readonly" in text:
                what, mend = "cannot be opened for writing", "name another directory with --out"
            else:
                what, mend = "damaged", "move it away; the same command computes its cells again"
            raise InputError(f"run store {self.path}: {what} ({text}); {mend}") from error


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(
            "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, row TEXT NOT NULL,"
            " seconds REAL NOT NULL, predictions BLOB, checksum TEXT NOT NULL)"
        )
    except BaseException:
        db.close()
        raise
    return db


def _packed(table: pd.DataFrame) -> bytes:
    columns = [np.ascontiguousarray(table[c].to_numpy(), dtype=_TYPES[c]) for c in _COLUMNS]
    return zlib.compress(b"".join(c.tobytes() for c in columns), level=1)


def _unpacked(blob: bytes) -> pd.DataFrame:
    content = zlib.decompress(blob)
    n = len(content) // sum(np.dtype(t).itemsize for t in _TYPES.values())
    table, at = {}, 0
    for column in _COLUMNS:
        kind = np.dtype(_TYPES[column])
        table[column] = np.frombuffer(content, dtype=kind, count=n, offset=at)
        at += n * kind.itemsize
    return pd.DataFrame(table)


def _checksum(key: bytes, row: bytes, seconds: float, blob: bytes | None) -> str:
    content = (key or b"", row or b"", repr(seconds).encode(), blob or b"")
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def _sound(record: Any) -> bool:
    """Whether the checksum of a record (columns as in _BYTES) holds."""
    *content, checksum = record
    return bool(checksum == _checksum(*content).encode())


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
