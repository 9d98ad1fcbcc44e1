"""The run store: one SQLite file that keeps each cell as soon as it is finished."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.runs.packed import LONGEST_HEAD, Types, pack, unpack, widest_types
from estimators.errors import InputError

FILE = "store.sqlite"
Row = dict[str, Any]
# as bytes: after a flipped bit, text may not be decodable
_BYTES = (
    "CAST(key AS BLOB), CAST(row AS BLOB), seconds, CAST(predictions AS BLOB),"
    " CAST(checksum AS BLOB)"
)


@dataclass(frozen=True)
class Stored:
    """One finished cell.

    key: its key. row: its numbers by column. seconds: its share of the task's time.
    predictions: a table of id, label, clean, adversarial, integers of any width, and of the columns
        of OPTIONAL that the cell has; None for a row without numbers.
    """

    key: str
    row: Row
    seconds: float
    predictions: pd.DataFrame | None


class Store:
    """The finished cells of a run directory; those of a task are written in one transaction.

    Each row has a checksum, so that a damaged one is recognised and computed again. Raises
    InputError for a file that SQLite cannot read or write (such as on a full disk); what was
    committed before is kept.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE
        self._note = ""
        with _sqlite_errors(self.path):
            self._db = _open(self.path)
            try:
                # pages that contradict each other: by itself SQLite checks only those it needs
                (verdict,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
                if verdict != "ok":
                    self._rescue()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file; what was put is kept."""
        self._db.close()

    def keys(self, failed: bool = True) -> set[str]:
        """Return the keys of intact cells; `failed=False` leaves out those that failed."""
        return {
            key
            for key, row, intact in self._checked()
            if intact and (failed or json.loads(row)["status"] != "failed")
        }

    def notes(self) -> Iterator[str]:
        """Yield one line for each damage to the file that the run repairs."""
        if self._note:
            yield self._note
        damaged = sum(not intact for _, _, intact in self._checked())
        if damaged:
            yield (
                f"run store {self.path}: {damaged} cells do not match their checksum and are not"
                " used; those of this grid are computed again"
            )

    def put(self, cells: Iterable[Stored]) -> None:
        """Write all cells, or none where that fails."""
        with _sqlite_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for cell in cells:
                    text = json.dumps(cell.row, sort_keys=True)
                    blob = None if cell.predictions is None else pack(cell.predictions)
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

    def rows(self) -> dict[str, Row]:
        """Return the rows of all intact cells by key."""
        return {key: json.loads(row) for key, row, intact in self._checked() if intact}

    def seconds(self) -> dict[str, float]:
        """Return the seconds of all cells by key."""
        with _sqlite_errors(self.path):
            return dict(self._db.execute("SELECT key, seconds FROM cells").fetchall())

    def get(self, key: str) -> Stored:
        """Return one stored cell; InputError where its checksum does not match."""
        with _sqlite_errors(self.path):
            record = self._db.execute(
                f"SELECT {_BYTES} FROM cells WHERE key = ?", (key,)
            ).fetchone()
            if record is None or not _intact(record):
                raise sqlite3.DatabaseError(f"cell {key} does not match its checksum")
        _, row, seconds, blob, _ = record
        return Stored(key, json.loads(row), seconds, None if blob is None else unpack(blob))

    def types(self, keys: Iterable[str]) -> Types:
        """Return the integers that hold the predictions of these cells, by column.

        A column of OPTIONAL is among them if a cell has it.
        """
        heads: list[bytes] = []
        for key in keys:
            with _sqlite_errors(self.path):
                query = f"SELECT substr(predictions, 1, {LONGEST_HEAD}) FROM cells WHERE key = ?"
                head = self._db.execute(query, (key,)).fetchone()
            if head is not None and head[0] is not None:
                heads.append(head[0])
        return widest_types(heads)

    def _checked(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the key, the row and whether the checksum matches, of every stored cell."""
        with _sqlite_errors(self.path):
            for record in self._db.execute(f"SELECT {_BYTES} FROM cells"):
                yield _text(record[0]), _text(record[1]), _intact(record)

    def _rescue(self) -> None:
        """Move what can still be read into a new file; keep the damaged one beside it."""
        records = {}
        # from both ends, so that one bad page hides no other
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.DatabaseError):
                for record in self._db.execute(
                    f"SELECT {_BYTES} FROM cells NOT INDEXED ORDER BY rowid {order}"
                ):
                    if _intact(record):
                        records[record[0]] = record
        self._db.close()
        partial, kept = (self.path.with_name(FILE + end) for end in (".part", ".damaged"))
        partial.unlink(missing_ok=True)
        fresh = _open(partial)
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
        self._db = _open(self.path)
        self._note = (
            f"run store {self.path}: was damaged and is kept as {kept.name};"
            f" {len(records)} cells could be read, the others are computed again"
        )


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "full" in text or "I/O" in text:
            problem, fix = "cannot be written", "free some space; the same command continues"
        elif "unable to open" in text or "readonly" in text:
            problem, fix = "cannot be opened for writing", "name another directory with --out"
        else:
            problem, fix = "damaged", "move it away; the same command computes its cells again"
        raise InputError(f"run store {path}: {problem} ({text}); {fix}") from error


def _open(path: Path) -> sqlite3.Connection:
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


def _checksum(key: bytes, row: bytes, seconds: float, blob: bytes | None) -> str:
    content = (key or b"", row or b"", repr(seconds).encode(), blob or b"")
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def _intact(record: Sequence[Any]) -> bool:
    """Whether the checksum of a record (columns as in _BYTES) matches."""
    *content, checksum = record
    return bool(checksum == _checksum(*content).encode())


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
