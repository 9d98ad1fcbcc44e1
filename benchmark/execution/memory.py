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


# larger limits are none: version 1 writes the largest multiple of a page
UNLIMITED = 1 << 62


class Available(NamedTuple):
    """The memory that a process can still take, in bytes, and whose it is, for messages."""

    bytes: float
    name: str


class _CGroup(NamedTuple):
    """The files of a version of cgroups, and the entry of `memory.stat` that can be dropped.

    folders: where it is mounted; beside version 1, version 2 is at `unified`. limits: what ends a
    process, and what slows it down.
    """

    folders: tuple[str, ...]
    limits: tuple[str, ...]
    usage: str
    cache: str


_CGROUPS = {
    1: _CGroup(
        ("memory",), ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"
    ),
    2: _CGroup(("", "unified"), ("memory.max", "memory.high"), "memory.current", "inactive_file"),
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


class _HeapInfo(ctypes.Structure):
    """What `mallinfo2` returns, in bytes."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]  # fmt: skip


def kept_memory() -> float:
    """Return the freed bytes that the C library keeps for later; 0 where it does not say."""
    info = _c_function("mallinfo2")
    if info is None:
        return 0.0
    info.restype = _HeapInfo  # type: ignore[attr-defined]
    return float(info().fordblks)  # type: ignore[attr-defined]


def peak_memory() -> float:
    """Return the largest resident set that this process has had so far, in MB."""
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def available_memory() -> Available:
    """Return what this process can still take: of the machine, its cgroups and its own limits."""
    found = [Available(_free_of_machine(), "available memory")]
    found += (Available(free, "memory that its cgroup has left") for free in _free_of_cgroups())
    found += (Available(free, f"memory that {name} has left") for name, free in _free_of_limits())
    return min(found, key=lambda available: available.bytes)


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
    for _, controllers, path in (group for group in groups if len(group) == 3):
        if controllers and "memory" not in controllers.split(","):
            continue
        version = _CGROUPS[1 if controllers else 2]
        for base in {root / folder for folder in (*version.folders, controllers)}:
            # a container may show its own cgroup as the root
            for folder in {base, *(base / part for part in _ancestors(path))}:
                limits = [_number_in(folder / name) for name in version.limits]
                # that of a parent which a container does not show
                limits.append(_entry_of(folder / "memory.stat", "hierarchical_memory_limit"))
                known = [limit for limit in limits if limit is not None and limit < UNLIMITED]
                usage = _number_in(folder / version.usage)
                if known and usage is not None:
                    dropped = _entry_of(folder / "memory.stat", version.cache) or 0.0
                    yield min(known) - usage + dropped


def _free_of_limits(status: Path = Path("/proc/self/status")) -> Iterator[tuple[str, float]]:
    """Yield what `ulimit` leaves this process, each with the option that sets it."""
    try:
        import resource  # not on Windows

        lines = status.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError):
        return
    used = {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines if " kB" in line}
    for option, limit, name in (("-v", "RLIMIT_AS", "VmSize"), ("-d", "RLIMIT_DATA", "VmData")):
        soft = resource.getrlimit(getattr(resource, limit))[0]
        if soft != resource.RLIM_INFINITY and name in used:
            yield f"ulimit {option}", soft - used[name]


def _ancestors(path: str) -> Iterator[str]:
    """Yield a cgroup's path and those above it, relative to the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def _number_in(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no such file, or `max`


def _entry_of(path: Path, name: str) -> float | None:
    """Return one number of a file of names and numbers; None where it lacks it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        values = dict(line.split(" ", 1) for line in lines if " " in line)
        return float(values[name])
    except (OSError, ValueError, KeyError):
        return None


@cache
def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it lacks it, as every library but glibc."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
    return function
