"""The memory of this process: what the C library does with what is freed, and the peak."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1


def keep_memory() -> None:
    """Keep freed memory for the next tensor, where glibc hands every large one back at once.

    The page faults of fresh memory were 7 to 15 % of the time of a forward pass.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def release_memory() -> None:
    """Hand back what is free now: at a change of network, whose tensors have other sizes."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def peak_memory() -> float:
    """The most memory that this process has had so far (resident set), in MB."""
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@cache
def _function(name: str) -> Any:
    """A function of the C library; None where it has no such one, as any but glibc."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
