"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# of temporary files and folders; the next run, training or study removes those of a killed one
PREFIX = ".art-bench-"
# those of this module have random names; those of a run's own parts have not
_RANDOM = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}(\..*)?")
# seconds after which a temporary file is of the dead, where locks do not tell
_OLD = 86_400.0
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file in the folder of `path`, then rename it to `path`.

    The bytes reach the disk before the rename: after a power cut there is the old file or the new
    one. The folder is made where it is missing. An error of `write` leaves `path` as it was and
    removes the temporary file; a killed process leaves a file named `.art-bench-*`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def new() -> str:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        return name

    with _in_use(new) as temporary:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)


def replace_folder(
    folder: Path, fill: Callable[[Path], object], keeps: Callable[[str], bool] = lambda name: False
) -> None:
    """Let `fill` write into a side folder, then exchange it with `folder` at once.

    Where the system cannot exchange folders, the old one is renamed first. An error of `fill`
    leaves `folder` as it was. A side folder that stays empty removes `folder`.

    keeps: whether a file of the old folder, by its name, is taken over; `fill` does not replace it.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _in_use(lambda: tempfile.mkdtemp(prefix=PREFIX, dir=folder.parent)) as side:
        fill(side)
        _take_over_all(folder, side, keeps)
        _sync(side)
        side.chmod(0o755)
        if not any(side.iterdir()):
            side.rmdir()
            if folder.is_dir():
                folder.rename(side)
        elif folder.exists():
            _exchange(side, folder)
        else:
            side.rename(folder)


def replace_entries(
    directory: Path, fill: Callable[[Path], object], keeps: Mapping[str, Callable[[str], bool]]
) -> None:
    """Let `fill` write files and folders into a side folder, then move each to its name at once.

    Every byte is on the disk before the first of them is moved, so that only a few renames lie
    between the old set and the new one. An error of `fill` leaves the old set.

    keeps: the entries that `fill` writes, in the order in which they are moved. An old one that it
    does not write, or leaves empty, is removed. Each has a function of the name of a file in the
    old folder: whether it is taken over where `fill` does not replace it.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with _in_use(lambda: tempfile.mkdtemp(prefix=PREFIX, dir=directory)) as side:
        fill(side)
        for name, kept in keeps.items():
            _take_over_all(directory / name, side / name, kept)
        _sync(side)
        for name in keeps:
            _move(side / name, directory / name)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder that several processes write to.

    What a living process writes is locked, and stays. Where files cannot be locked, as on Windows,
    what is older than a day is removed.
    """
    for path in sorted(folder.glob(f"{PREFIX}*")):
        if _RANDOM.fullmatch(path.name):
            with suppress(OSError):
                _remove_dead(path, time.time() - path.lstat().st_mtime > _OLD)


def sweep_all(directory: Path) -> None:
    """Remove what killed processes left below a directory that this process holds alone.

    `bench report` writes there without holding it: what a living process has locked stays.
    """
    for root, folders, files in os.walk(directory):
        for name in (*folders, *files):
            if name.startswith(PREFIX):
                _remove_dead(Path(root) / name, True)
        folders[:] = [name for name in folders if not name.startswith(PREFIX)]


def _remove_dead(path: Path, unknown: bool) -> None:
    """Remove a temporary file or folder unless a living process has locked it.

    unknown: whether to remove it where locks do not tell.
    """
    handle = None
    if fcntl is not None:
        with suppress(OSError):  # a link
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if handle is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unknown = True
            except BlockingIOError:
                return
            except OSError:  # no locks here
                pass
        if unknown:
            _remove(path)
    finally:
        if handle is not None:
            os.close(handle)


def _remove(path: Path) -> None:
    """Remove a file or a folder; Windows keeps what is open."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def _in_use(new: Callable[[], str]) -> Iterator[Path]:
    """Make a temporary file or folder, lock it, and remove what is left of it at the end.

    The lock dies with the process. new: makes the file or folder and returns its name.
    """
    while True:
        path, handle = Path(new()), None
        if fcntl is not None:
            with suppress(OSError):  # no locks here
                handle = os.open(path, os.O_RDONLY)
                fcntl.flock(handle, fcntl.LOCK_SH)
        if path.exists():
            break
        if handle is not None:  # a sweep was faster than the lock
            os.close(handle)
    try:
        yield path
    finally:
        _remove(path)
        if handle is not None:
            os.close(handle)


def _move(new: Path, old: Path) -> None:
    """Move a finished file or folder to its name; leave what it replaces behind, or remove it."""
    if new.is_dir() and any(new.iterdir()):
        new.chmod(0o755)
        if old.is_symlink():  # a folder elsewhere, maybe on another disk
            replace_folder(old, lambda side: shutil.copytree(new, side, dirs_exist_ok=True))
        elif old.exists():
            _exchange(new, old)
        else:
            new.rename(old)
    elif new.is_file():
        new.chmod(0o644)
        new.replace(old)
    elif old.is_dir() and not old.is_symlink():
        old.rename(new.with_name(f"{new.name}.old"))
    else:
        old.unlink(missing_ok=True)


def _take_over_all(old: Path, new: Path, kept: Callable[[str], bool]) -> None:
    """Take over the kept files of an old folder into the new one."""
    for path in old.iterdir() if old.is_dir() else ():
        if kept(path.name):
            new.mkdir(exist_ok=True)
            _take_over(path, new / path.name)


def _take_over(old: Path, new: Path) -> None:
    """Link or copy what is not of this project into the side folder."""
    if new.exists():
        return
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, new, symlinks=True)
        return
    try:
        os.link(old, new, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(old, new, follow_symlinks=False)


def _sync(folder: Path) -> None:
    """Let the files of a folder, and on Linux and macOS its list of names, reach the disk."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with suppress(PermissionError), path.open("rb+") as file:
                os.fsync(file.fileno())
    if fcntl is not None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(handle)
        finally:
            os.close(handle)


def _exchange(side: Path, folder: Path) -> None:
    """Exchange two folders in one step, or in two where the system has no such step."""
    with suppress(OSError, AttributeError):
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        if rename(_HERE, os.fsencode(side), _HERE, os.fsencode(folder), _EXCHANGE) == 0:
            return
    old = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder.parent))
    folder.replace(old / "old")
    side.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
