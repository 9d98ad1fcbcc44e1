"""Drives `faulty.c`: a disk that is full, a record of what was synced, a clock that is off.

Needs gcc and Linux. `restarted()` starts this program again with the shim preloaded.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("faulty.c")
_SET = "ART_BENCH_FAULTY"


@dataclass(frozen=True)
class Event:
    """One thing that reached the disk.

    kind: "sync", "rename", "exchange" or "remove".
    number: its place; of a sync also the name of the copy.
    inode: the file. path: its name. target: the new name of a renamed one.
    """

    kind: str
    number: int
    inode: int
    path: str
    target: str


def build(folder: Path) -> Path:
    """Compile the shim into a folder."""
    library = folder / "faulty.so"
    subprocess.run(
        ["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"],
        check=True,
    )
    return library


def restarted() -> ctypes.CDLL:
    """Return the shim; a process without it is replaced by itself with the shim preloaded."""
    if _SET not in os.environ:
        library = build(Path(tempfile.mkdtemp(prefix="faulty")))
        preloaded = {**os.environ, "LD_PRELOAD": str(library), _SET: str(library)}
        os.execve(sys.executable, [sys.executable, *sys.argv], preloaded)
    atexit.register(shutil.rmtree, Path(os.environ[_SET]).parent, ignore_errors=True)
    shim = ctypes.CDLL(os.environ[_SET])
    shim.faulty_writes.restype = ctypes.c_long
    for name in ("faulty_full", "faulty_clock"):
        getattr(shim, name).argtypes = [ctypes.c_long]
    for name in ("faulty_root", "faulty_record"):
        getattr(shim, name).argtypes = [ctypes.c_char_p]
    shim.faulty_file.argtypes = [ctypes.c_long, ctypes.c_long]
    shim.faulty_name.argtypes = shim.faulty_bytes.argtypes = [ctypes.c_long]
    shim.faulty_name.restype, shim.faulty_bytes.restype = ctypes.c_char_p, ctypes.c_long
    return shim


def written(shim: ctypes.CDLL) -> list[tuple[str, int]]:
    """Return name and bytes of the files written since `faulty_file`, in the order of the first."""
    found: list[tuple[str, int]] = []
    while (name := shim.faulty_name(len(found))) is not None:
        found.append((os.fsdecode(name), shim.faulty_bytes(len(found))))
    return found


def final_names(names: list[str], happened: list[Event]) -> list[str]:
    """Return what files are called in the end that were written under these names."""
    for event in happened:
        moves = {"rename": [(event.path, event.target)]}
        moves["exchange"] = [*moves["rename"], (event.target, event.path)]
        for number, name in enumerate(names):
            for old, new in moves.get(event.kind, []):
                if name == old or name.startswith(f"{old}/"):
                    names[number] = new + name[len(old) :]
                    break
    return names


def events(folder: Path) -> list[Event]:
    """Read what `faulty_record` wrote."""
    found = []
    for line in (folder / "log").read_text(encoding="utf-8").splitlines():
        kind, number, inode, path, target = line.split("\t")
        found.append(Event(kind, int(number), int(inode), path, target))
    return found


def after_power_cut(
    record: Path, happened: list[Event], root: Path, place: Path, old: Path | None = None
) -> None:
    """Write the tree that a disk holds after these events, and nothing that was not synced.

    A file that was renamed without a sync is there under its new name and empty, the worst that
    file systems do. root: the folder that was recorded. place: the folder to write. old: a copy of
    the folder as it was on the disk before.
    """
    there = [path for path in old.rglob("*") if path.is_file()] if old else []
    # no file has a negative inode
    names = {str(root / path.relative_to(old or path)): -n - 2 for n, path in enumerate(there)}
    content = {-n - 2: path for n, path in enumerate(there)}
    for event in happened:
        if event.kind == "sync":
            names[event.path] = event.inode
            content[event.inode] = record / str(event.number)
        elif event.kind == "remove":
            content.pop(names.pop(event.path, -1), None)
        elif event.kind == "exchange" or (event.path not in names and _below(names, event.path)):
            # folders
            others, here = _below(names, event.target), _below(names, event.path)
            for name in (*others, *here):
                del names[name]
            names.update({event.target + name[len(event.path) :]: i for name, i in here.items()})
            if event.kind == "exchange":
                back = {event.path + name[len(event.target) :]: i for name, i in others.items()}
                names.update(back)
        else:
            moved = names.pop(event.path, event.inode)
            replaced = names.get(event.target, moved)
            if replaced != moved:
                content.pop(replaced, None)
            names[event.target] = moved
    for name, inode in names.items():
        target = place / Path(name).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content[inode].read_bytes() if inode in content else b"")


def _below(names: dict[str, int], folder: str) -> dict[str, int]:
    return {name: inode for name, inode in names.items() if name.startswith(f"{folder}/")}


def spread(number: int, most: int) -> Iterator[int]:
    """Yield at most so many of the numbers from 1, evenly."""
    step = max(1, number // most)
    yield from range(1, number + 1, step)
