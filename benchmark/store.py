"""The run store: every finished cell, at once and for good, in one SQLite file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from estimators.errors import InputError

FILE = "store.sqlite"
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

    A row is kept with a checksum, so that a damaged one is found and computed again.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, row TEXT NOT NULL,"
                " seconds REAL NOT NULL, predictions BLOB, checksum TEXT NOT NULL)"
            )
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"run store {self.path}: cannot be used ({error}); move it away to start anew"
            ) from error

    def close(self) -> None:
        """Close the file; what was put stays."""
        self._db.close()

    def keys(self, failed: bool = True) -> set[str]:
        """Keys of the stored cells whose checksum holds; `failed=False` leaves failed ones out."""
        found = self._db.execute("SELECT key, row, predictions, checksum FROM cells")
        return {
            key
            for key, row, blob, checksum in found
            if checksum == _checksum(key, row, blob)
            and (failed or json.loads(row)["status"] != "failed")
        }

    def put(self, cells: Iterable[Stored]) -> None:
        """Write cells, all or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for cell in cells:
                text = json.dumps(cell.row, sort_keys=True)
                blob = None if cell.predictions is None else _packed(cell.predictions)
                row = (cell.key, text, cell.seconds, blob, _checksum(cell.key, text, blob))
                self._db.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)", row)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def rows(self) -> dict[str, dict[str, Any]]:
        """The numbers of every stored cell, by key."""
        return {k: json.loads(row) for k, row in self._db.execute("SELECT key, row FROM cells")}

    def seconds(self) -> dict[str, float]:
        """The seconds of every stored cell, by key."""
        return dict(self._db.execute("SELECT key, seconds FROM cells").fetchall())

    def get(self, key: str) -> Stored:
        """One stored cell."""
        row, seconds, blob = self._db.execute(
            "SELECT row, seconds, predictions FROM cells WHERE key = ?", (key,)
        ).fetchone()
        return Stored(key, json.loads(row), seconds, None if blob is None else _unpacked(blob))


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


def _checksum(key: str, row: str, blob: bytes | None) -> str:
    return hashlib.sha256(key.encode() + row.encode() + (blob or b"")).hexdigest()[:16]
