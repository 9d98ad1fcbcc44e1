"""The exit codes of `bench`; 0 means success, 1 that a gate or a check failed."""

from __future__ import annotations

GATE_FAILED = 1
BAD_INPUT = 2
SKIPPED_CELLS = 3
FAILED_CELLS = 4
CLUSTER_LOST = 5
INTERRUPTED = 130


def of_run(failed: int, skipped: int) -> int:
    """Return the exit code of a run with so many failed and skipped parts."""
    return FAILED_CELLS if failed else SKIPPED_CELLS if skipped else 0
