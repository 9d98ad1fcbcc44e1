"""Whether a file or folder can be written, asked before the work whose result goes there.

The answer comes from a try: rights, read-only file systems and lengths of names differ too much to
be computed. Nothing is left behind.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from estimators.atomic import PREFIX
from estimators.errors import InputError


def check_file(path: Path, what: str, advice: str = "name another file") -> None:
    """Raise InputError unless a file can be written into a folder that exists.

    what: names the file in the message, as `--out FILE`. advice: what to do.
    """
    _check(path, what, advice, parents=False, file=True)


def check_new_file(path: Path, what: str, advice: str = "name another file") -> None:
    """Raise InputError unless a file can be written beside others; its folder may be missing."""
    _check(path, what, advice, parents=True, file=True)
    check_folder(path.parent, what, advice)


def check_folder(path: Path, what: str, advice: str = "name another folder") -> None:
    """Raise InputError unless files can be written into a folder; it may be missing."""
    _check(path, what, advice, parents=True, file=False)


def _check(path: Path, what: str, advice: str, parents: bool, file: bool) -> None:
    try:
        _try(path, parents, file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{what}: cannot be written ({reason}); {advice}") from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{what}: cannot be written ({error}); {advice}") from error


def _try(path: Path, parents: bool, file: bool) -> None:
    """Raise OSError or ValueError unless a path can be written."""
    mode = _mode(path)
    if mode is not None and file:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "Is a directory")
        if stat.S_ISREG(mode):
            with path.open("ab"):
                pass
        else:
            return  # a terminal, a pipe
    if file:
        # a new file takes the place of an old one; the name itself may be too long, or hold what
        # the file system does not take
        path, mode = path.parent, _mode(path.parent)
    while mode is None:
        if not parents:
            raise FileNotFoundError(0, "No such file or directory")
        path, mode = path.parent, _mode(path.parent)
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(0, "Not a directory")
    handle, name = tempfile.mkstemp(prefix=PREFIX, dir=path)
    os.close(handle)
    Path(name).unlink(missing_ok=True)  # a run that begins removes it, too


def _mode(path: Path) -> int | None:
    """Return the mode of a file, None where there is none; other errors are raised."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
