"""The memory of this process: the peak, and what the C library does with freed memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1


def keep_memory() -> None:
    """Keep freed memory for the next tensor; glibc otherwise returns every large block at once.

    The page faults of fresh memory took 7 to 15 % of the time of a forward pass.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


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


@cache
def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it lacks it, as every library but glibc."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
    return function
