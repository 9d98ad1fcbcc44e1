"""One run at a time in a run directory: a lock that dies with the process that holds it."""

from __future__ import annotations

import json
import os
import platform
import warnings
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from estimators.errors import InputError

FILE = "run.lock"
HOLDER = "run.lock.json"


class Claim:
    """A run directory that is ours until `release`."""

    def __init__(self, lock: FileLock, holder: Path) -> None:
        self._lock, self._holder = lock, holder

    def release(self) -> None:
        """Let the next run have the directory; the empty lock file stays."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()


def hold(directory: Path) -> Claim:
    """Hold the directory, which must be there, until the claim is released or the process dies.

    The lock is the operating system's (flock, on Windows msvcrt), so that a killed run leaves
    none behind; `run.lock.json` says who holds it and means nothing without it. On NFS the lock
    is as good as the server's: Linux turns it into a byte range lock that other machines see.
    Where a file system has no locks at all, filelock's marker file takes its place.

    Raises InputError where another run holds it, and touches nothing then; OSError where the
    directory cannot be written.
    """
    claim = Claim(_taken(directory), directory / HOLDER)
    try:
        (directory / HOLDER).write_text(json.dumps(_self()) + "\n", encoding="utf-8")
    except OSError:
        claim.release()
        raise
    return claim


def refuse_if_held(directory: Path) -> None:
    """Raise InputError where another run holds the directory; creates nothing."""
    if (directory / FILE).is_file():
        with suppress(OSError):  # not ours to write: told where it is written
            _taken(directory).release()


def _taken(directory: Path) -> FileLock:
    lock = FileLock(directory / FILE, timeout=0)
    try:
        with warnings.catch_warnings():
            # the switch to a marker file, where the file system has no locks
            warnings.simplefilter("ignore")
            lock.acquire()
    except Timeout as error:
        raise InputError(
            f"run directory {directory}: another run holds it ({_told(directory / HOLDER)});"
            " wait for it or stop it, or name another directory with --out"
        ) from error
    return lock


def _self() -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": platform.node(), "since": now}


def _told(path: Path) -> str:
    """Who holds it; the holder may be about to write this, or to remove it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said who it is"
