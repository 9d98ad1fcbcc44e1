"""The run store: one SQLite file that keeps each cell as soon as it is finished."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from estimators.errors import InputError

FILE = "store.sqlite"
Row = dict[str, Any]
# as bytes: after a flipped bit, text may not be decodable
_BYTES = (
    "CAST(key AS BLOB), CAST(row AS BLOB), seconds, CAST(predictions AS BLOB),"
    " CAST(checksum AS BLOB)"
)
# the narrowest types of predictions; wider ones where ids or the number of classes need them
_TYPES = {"id": "i4", "label": "i2", "clean": "i2", "adversarial": "i2"}
COLUMNS = tuple(_TYPES)
Types = dict[str, np.dtype[Any]]
# predictions of wider types begin with this and the types; zlib's own bytes begin with b"x"
_WIDE = b"w"
_HEAD = 1 + 2 * len(COLUMNS)


@dataclass(frozen=True)
class Stored:
    """One finished cell.

    key: its key. row: its numbers by column. seconds: its share of the task's time.
    predictions: a table of id, label, clean, adversarial, integers of any width; None for a row
        without numbers.
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
                    blob = None if cell.predictions is None else _pack(cell.predictions)
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
        return Stored(key, json.loads(row), seconds, None if blob is None else _unpack(blob))

    def types(self, keys: Iterable[str]) -> Types:
        """Return the integers that hold the predictions of these cells, by column."""
        widest = _types(_TYPES.values())
        for key in keys:
            with _sqlite_errors(self.path):
                head = self._db.execute(
                    f"SELECT substr(predictions, 1, {_HEAD}) FROM cells WHERE key = ?", (key,)
                ).fetchone()
            if head is not None and head[0] is not None:
                own = _head(head[0])[0]
                widest = {c: np.promote_types(own[c], widest[c]) for c in COLUMNS}
        return widest

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


def _types(codes: Iterable[str]) -> Types:
    return {column: np.dtype("<" + code) for column, code in zip(COLUMNS, codes, strict=True)}


def _narrowest(values: npt.NDArray[Any], least: str) -> str:
    """Return the code of integers, from `least` up, that hold the values.

    16 and 32 bits are taken as they come: they follow the number of classes.
    """
    if values.dtype in (np.dtype("i2"), np.dtype("i4")):
        return f"i{max(int(least[1]), values.dtype.itemsize)}"
    if not len(values):
        return least
    wide = np.promote_types(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
    fits = (code for code in ("i2", "i4") if code >= least and np.can_cast(wide, code))
    return next(fits, "i8")


def _pack(table: pd.DataFrame) -> bytes:
    """Return predictions as compressed bytes, column after column."""
    arrays = {column: table[column].to_numpy() for column in COLUMNS}
    codes = [_narrowest(arrays[column], least) for column, least in _TYPES.items()]
    columns = (np.ascontiguousarray(arrays[c], dtype=kind) for c, kind in _types(codes).items())
    packed = zlib.compress(b"".join(column.tobytes() for column in columns), level=1)
    wide = codes != list(_TYPES.values())
    return (_WIDE + "".join(codes).encode() if wide else b"") + packed


def _head(blob: bytes) -> tuple[Types, int]:
    """Return the types of packed predictions, and where their compressed bytes begin."""
    if blob[:1] != _WIDE:
        return _types(_TYPES.values()), 0
    codes = blob[1:_HEAD].decode()
    return _types(codes[at : at + 2] for at in range(0, len(codes), 2)), _HEAD


def _unpack(blob: bytes) -> pd.DataFrame:
    types, start = _head(blob)
    content = zlib.decompress(blob[start:])
    n = len(content) // sum(kind.itemsize for kind in types.values())
    table, offset = {}, 0
    for column, dtype in types.items():
        table[column] = np.frombuffer(content, dtype, n, offset)
        offset += table[column].nbytes
    return pd.DataFrame(table)


def _checksum(key: bytes, row: bytes, seconds: float, blob: bytes | None) -> str:
    content = (key or b"", row or b"", repr(seconds).encode(), blob or b"")
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def _intact(record: Sequence[Any]) -> bool:
    """Whether the checksum of a record (columns as in _BYTES) matches."""
    *content, checksum = record
    return bool(checksum == _checksum(*content).encode())


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
