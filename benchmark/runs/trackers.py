"""A finished run for experiment trackers; one that fails loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from estimators.errors import InputError, unknown
from estimators.plugins import describe_error
from reports.exports.trackers import TRACKERS, log_run


def check_trackers(names: Iterable[str]) -> None:
    """Raise InputError for an unknown tracker, and for one whose package is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("experiment tracker for --log", name, TRACKERS)
        missing = TRACKERS[name].missing()
        if missing:
            raise InputError(f"--log {name}: {missing}")


def give_to_trackers(names: Iterable[str], directory: Path, message: Callable[[str], None]) -> None:
    """Give a finished run to each tracker; say in one line where it went, or why it did not."""
    for name in names:
        try:
            message(f"logged: {log_run(name, directory)}")
        except Exception as error:
            # trackers fail in many ways: networks, disks, accounts
            message(
                f"warning: --log {name} failed ({describe_error(error)}); the results are in"
                f" {directory}"
            )
