"""One run at a time in a run directory: a lock that dies with the process that holds it."""

from __future__ import annotations

import json
import os
import platform
import warnings
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from estimators.bounded import bounded_json
from estimators.errors import InputError

FILE = "run.lock"
HOLDER = "run.lock.json"
# seconds: another command may be looking whether the directory is free, or be about to free it
WAIT = 1.0


class Claim:
    """A run directory that this process holds until `release`."""

    def __init__(self, directory: Path) -> None:
        self._lock, self._holder = _acquire(directory), directory / HOLDER

    def release(self) -> None:
        """Let another run use the directory; the empty lock file stays."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()


def hold(directory: Path) -> Claim:
    """Hold an existing directory until the claim is released or the process dies.

    The lock belongs to the operating system (flock, on Windows msvcrt), so a killed run leaves none
    behind. `run.lock.json` names the holder and means nothing without the lock. On NFS, Linux turns
    the lock into a byte range lock that other machines see. On a file system without locks,
    filelock's marker file replaces it.

    Raises InputError, and changes nothing, where another run holds the directory for longer than
    WAIT. Raises OSError where the directory cannot be written.
    """
    claim = Claim(directory)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "since": now}
    try:
        (directory / HOLDER).write_text(json.dumps(holder) + "\n", encoding="utf-8")
    except OSError:
        claim.release()
        raise
    return claim


def refuse_if_held(directory: Path) -> None:
    """Raise InputError where another run holds the directory for longer than WAIT; create nothing.

    To look is to hold it for an instant: two commands that start together wait for each other.
    """
    if (directory / FILE).is_file():
        with suppress(OSError):  # no permission: reported when the run writes
            _acquire(directory).release()


def _acquire(directory: Path) -> FileLock:
    lock = FileLock(directory / FILE, timeout=WAIT)
    try:
        with warnings.catch_warnings():
            # the switch to a marker file, where the file system has no locks
            warnings.simplefilter("ignore")
            lock.acquire(poll_interval=0.02)
    except Timeout as error:
        raise InputError(
            f"run directory {directory}: another run holds it ({_holder(directory / HOLDER)});"
            " wait for it or stop it, or name another directory with --out"
        ) from error
    return lock


def _holder(path: Path) -> str:
    """Return who holds a directory; the holder may be about to write the file, or to remove it."""
    try:
        holder = bounded_json(path)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown process"
