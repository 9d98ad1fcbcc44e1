"""The run store: one SQLite file that keeps each cell as soon as it is finished."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.runs.packed import LONGEST_HEAD, Predicted, Types, columns_of, pack, widest_types
from benchmark.runs.records.check import Row, checksum, is_intact, is_usable
from benchmark.runs.records.database import ERRORS, open_database, sqlite_errors
from benchmark.runs.records.lengths import too_long
from estimators.atomic import PREFIX
from estimators.data.labels import MOST_IMAGES
from reports.style.numbers import count

FILE = "store.sqlite"
_OLD = ["key", "row", "seconds", "predictions"]
_COLUMNS = (*_OLD, "checksum")
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
        self._notes: list[str] = []
        with sqlite_errors(self.path):
            self._db = open_database(self.path)
            try:
                # pages that contradict each other: by itself SQLite checks only those it needs
                (verdict,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
                if verdict != "ok":
                    self._rescue()
                self._accept_old()
                self._set_aside()
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
        yield from self._notes

    def put(self, cells: Iterable[Stored]) -> None:
        """Write all cells, or none where that fails."""
        with sqlite_errors(self.path), self._transaction():
            for cell in cells:
                text = json.dumps(cell.row, sort_keys=True)
                blob = None if cell.predictions is None else pack(cell.predictions)
                seconds = float(cell.seconds)
                own = checksum(cell.key.encode(), text.encode(), seconds, blob)
                self._db.execute(
                    "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)",
                    (cell.key, text, seconds, blob, own),
                )

    def rows(self) -> dict[str, Row]:
        """Return the rows of all intact cells by key."""
        known: dict[str, str] = {}
        return {key: _row(row, known) for key, row, intact in self._checked() if intact}

    def seconds(self) -> dict[str, float]:
        """Return the seconds of all cells by key."""
        with sqlite_errors(self.path):
            return dict(self._db.execute("SELECT key, seconds FROM cells").fetchall())

    def get(self, key: str) -> Stored:
        """Return one stored cell; InputError where its checksum does not match."""
        row, seconds, predicted = self.record(key)
        return Stored(key, row, seconds, None if predicted is None else pd.DataFrame(predicted))

    def record(self, key: str) -> tuple[Row, float, Predicted | None]:
        """Return row, seconds and predictions by column, as `get`, without a frame."""
        with sqlite_errors(self.path):
            record = self._db.execute(
                f"SELECT {_BYTES} FROM cells WHERE key = ?", (key,)
            ).fetchone()
            if record is None or not is_intact(record):
                raise sqlite3.DatabaseError(f"cell {key} does not match its checksum")
        _, row, seconds, blob, _ = record
        predicted = None if blob is None else columns_of(blob, MOST_IMAGES)
        return json.loads(row), seconds, predicted

    def types(self, keys: Iterable[str]) -> Types:
        """Return the integers that hold the predictions of these cells, by column.

        A column of OPTIONAL is among them if a cell has it.
        """
        heads: list[bytes] = []
        for key in keys:
            with sqlite_errors(self.path):
                query = f"SELECT substr(predictions, 1, {LONGEST_HEAD}) FROM cells WHERE key = ?"
                head = self._db.execute(query, (key,)).fetchone()
            if head is not None and head[0] is not None:
                heads.append(head[0])
        return widest_types(heads)

    def _checked(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the key, the row and whether the checksum matches, of every stored cell."""
        with sqlite_errors(self.path):
            for record in self._db.execute(f"SELECT {_BYTES} FROM cells"):
                yield _text(record[0]), _text(record[1]), is_intact(record)

    def _accept_old(self) -> None:
        """Give checksums to the cells of a store of an early version, which has none."""
        names = [column[1] for column in self._db.execute("PRAGMA table_info(cells)")]
        if names != _OLD:
            return
        with self._transaction():
            self._db.execute("ALTER TABLE cells ADD COLUMN checksum TEXT NOT NULL DEFAULT ''")
            long = {record.rowid for record in too_long(self._db, self.path)}
            query = f"SELECT {_BYTES} FROM cells WHERE rowid = ?"
            rowids = [rowid for (rowid,) in self._db.execute("SELECT rowid FROM cells").fetchall()]
            for rowid in rowids:
                # one without a checksum is set aside
                if rowid not in long:
                    own = checksum(*self._db.execute(query, (rowid,)).fetchone()[:4])
                    change = "UPDATE cells SET checksum = ? WHERE rowid = ?"
                    self._db.execute(change, (own, rowid))
        if rowids:
            self._notes.append(
                f"run store {self.path}: {len(rowids)} cells are of an early version without"
                " checksums; those that agree with their predictions are used"
            )

    def _set_aside(self) -> None:
        """Move records that cannot be used into the table `set_aside`, which nothing reads."""
        # values that are too long are not kept: a copy would take as much memory
        bad = {record.rowid: record.columns for record in too_long(self._db, self.path)}
        with self._transaction() if bad else nullcontext():
            self._move_aside(bad)
        records = self._db.execute(f"SELECT {_BYTES}, rowid FROM cells")
        more = {record[-1]: () for record in records if not is_usable(record[:-1])}
        with self._transaction() if more else nullcontext():
            self._move_aside(more)
        if not (bad or more):
            return
        self._notes.append(
            f"run store {self.path}: {count(len(bad) + len(more), 'cell')} damaged or changed, set"
            " aside; what this grid has of it is computed again"
        )

    def _move_aside(self, bad: Mapping[int, tuple[str, ...]]) -> None:
        """Move records by their numbers, without the values of the columns that are named."""
        for rowid, without in bad.items():
            self._db.execute(f"CREATE TABLE IF NOT EXISTS set_aside ({', '.join(_COLUMNS)})")
            kept = ", ".join("NULL" if name in without else name for name in _COLUMNS)
            self._db.execute(
                f"INSERT INTO set_aside SELECT {kept} FROM cells WHERE rowid = ?", (rowid,)
            )
            self._db.execute("DELETE FROM cells WHERE rowid = ?", (rowid,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block writes, or nothing where it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # a full disk may have rolled back already
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _rescue(self) -> None:
        """Move what can still be read into a new file; keep the damaged one beside it."""
        records = {}
        # from both ends, so that one bad page hides no other
        for order in ("ASC", "DESC"):
            with suppress(*ERRORS):
                for record in self._db.execute(
                    f"SELECT {_BYTES} FROM cells NOT INDEXED ORDER BY rowid {order}"
                ):
                    if is_intact(record):
                        records[record[0]] = record
        self._db.close()
        partial, kept = (self.path.with_name(n) for n in (PREFIX + FILE, FILE + ".damaged"))
        for end in ("", "-wal", "-shm"):
            partial.with_name(partial.name + end).unlink(missing_ok=True)
        fresh = open_database(partial)
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
        self._db = open_database(self.path)
        self._notes.append(
            f"run store {self.path}: was damaged and is kept as {kept.name};"
            f" {len(records)} cells could be read, the others are computed again"
        )


def _row(text: str, known: dict[str, str]) -> Row:
    """Return a row; its texts are those of `known` where they are equal, which saves memory."""
    return {
        known.setdefault(name, name): known.setdefault(v, v) if isinstance(v, str) else v
        for name, v in json.loads(text).items()
    }


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
