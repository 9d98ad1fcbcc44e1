"""The SQLite file of a run store: opening it, and its errors as one line that says what to do."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.runs.records.lengths import limit_lengths
from estimators.errors import InputError

# seconds to wait for a program that holds a lock
WAIT = 30.0
CREATE = (
    "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, row TEXT NOT NULL,"
    " seconds REAL NOT NULL, predictions BLOB, checksum TEXT NOT NULL)"
)
_LOCKED = ("locked", "busy")
# SQLite quotes damaged names in its messages, and those may be no text
ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do."""
    try:
        yield
    except ERRORS as error:
        text = "unreadable text" if isinstance(error, UnicodeDecodeError) else str(error)
        if is_locked(error):
            problem = f"locked by {holders(path)} for more than {WAIT:.0f} seconds"
            fix = "close that program; the same command continues"
        elif "full" in text or "I/O" in text:
            problem, fix = "cannot be written", "free some space; the same command continues"
        elif "unable to open" in text or "readonly" in text:
            problem, fix = "cannot be opened for writing", "name another directory with --out"
        else:
            problem, fix = "damaged", "move it away; the same command computes its cells again"
        raise InputError(f"run store {path}: {problem} ({text}); {fix}") from error


def is_locked(error: Exception) -> bool:
    """Whether another program holds a lock; the file itself may be whole."""
    return isinstance(error, sqlite3.OperationalError) and any(w in str(error) for w in _LOCKED)


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the file of a store; wait up to WAIT seconds for other programs' locks.

    Raises one of ERRORS.
    """
    end = time.monotonic() + WAIT
    while True:
        try:
            return _open(path)
        except sqlite3.OperationalError as error:
            # SQLite itself does not wait where the mode of the journal changes
            if not is_locked(error) or time.monotonic() >= end:
                raise
            time.sleep(0.1)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=WAIT)
    # text of a damaged file: its checksum shows the damage
    db.text_factory = lambda content: content.decode("utf-8", "replace")
    try:
        limit_lengths(db)
        db.execute("PRAGMA busy_timeout=100")
        # code in the schema of a stranger's file
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(CREATE)
        others = "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')"
        if db.execute(others).fetchone()[0]:
            raise sqlite3.DatabaseError("it holds views or triggers, which no run writes")
        db.execute(f"PRAGMA busy_timeout={int(1000 * WAIT)}")
    except BaseException:
        db.close()
        raise
    return db


def holders(path: Path) -> str:
    """Return which processes hold locks on a store, as far as Linux tells; for a message."""
    inodes = set()
    for end in ("", "-wal", "-shm"):
        with suppress(OSError):
            inodes.add(path.with_name(path.name + end).stat().st_ino)
    found: dict[int, str] = {}
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():
            fields = [field for field in line.split() if field != "->"]
            pid, inode = int(fields[4]), int(fields[5].rsplit(":", 1)[1])
            if inode in inodes and pid > 0 and pid != os.getpid():
                found[pid] = _name(pid)
    if not found:
        return "another program"
    return ", ".join(f"process {pid}{name}" for pid, name in sorted(found.items()))


def _name(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return f" ({''.join(c if c.isprintable() else '?' for c in name)})"
