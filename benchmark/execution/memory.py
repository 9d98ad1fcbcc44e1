"""The memory of this process: the peak, and what the C library does with freed memory."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX = -3, -1, -8
CGROUP = Path("/sys/fs/cgroup")


class _CGroup(NamedTuple):
    """The files of a version of cgroups, and the entry of `memory.stat` that can be dropped."""

    folder: str
    limit: str
    usage: str
    cache: str


_CGROUPS = {
    1: _CGroup("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: _CGroup("", "memory.max", "memory.current", "inactive_file"),
}


def keep_memory() -> None:
    """Keep freed memory for the next tensor; glibc otherwise returns every large block at once.

    The page faults of fresh memory took 7 to 15 % of the time of a forward pass at 28 pixels. At
    224 pixels they took more time than the passes: a thread's own arena (heaps of 64 MB) has no
    room for a tensor above 32 MB, so all threads share the main arena.

    Call it before threads start.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(ARENA_MAX, 1)


def release_memory() -> None:
    """Return free memory to the system; useful where a network with other tensor sizes follows."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def peak_memory() -> float:
    """Return the largest resident set that this process has had so far, in MB."""
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def available_memory() -> float:
    """Return the bytes that this process can still take: of the machine, and of its cgroups."""
    return min([_free_of_machine(), *_free_of_cgroups()])


def _free_of_machine() -> float:
    """Return the available bytes of the machine; infinity where no one says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.inf
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return float(sizes[0]) * 1024 if sizes else math.inf


def _free_of_cgroups(root: Path = CGROUP, own: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """Yield the bytes that each cgroup of this process has left, where it has a limit.

    Versions 1 and 2; a page cache that can be dropped counts as free.
    """
    try:
        groups = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return
    for _, controllers, path in groups:
        if controllers not in ("", "memory"):
            continue
        version = _CGROUPS[1 if controllers == "memory" else 2]
        base = root / version.folder
        # a container may show its own cgroup as the root
        folders = {base, *(base / part for part in _ancestors(path))}
        for folder in folders:
            limit, usage = (_number_in(folder / name) for name in (version.limit, version.usage))
            if limit is not None and usage is not None and limit < 1 << 62:
                yield limit - usage + _entry_of(folder / "memory.stat", version.cache)


def _ancestors(path: str) -> Iterator[str]:
    """Yield a cgroup's path and those above it, relative to the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def _number_in(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no such file, or `max`


def _entry_of(path: Path, name: str) -> float:
    """Return one number of a file of names and numbers; 0 where it lacks it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    values = dict(line.split(" ", 1) for line in lines if " " in line)
    return float(values.get(name, 0))


@cache
def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it lacks it, as every library but glibc."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
    return function
