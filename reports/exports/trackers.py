"""Experiment trackers: which there are, and a finished run given to one of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reports.exports.record import RunRecord, read_record


@dataclass(frozen=True)
class Tracker:
    """One experiment tracker.

    name: as `--log` names it. package: that it needs. extra: of this project, which installs it.
    build: `package.module:function`, which is given a RunRecord and returns where it was logged.
    """

    name: str
    package: str
    extra: str
    build: str

    def missing(self) -> str:
        """Return why it cannot be used; "" where its package is installed."""
        if find_spec(self.package) is not None:
            return ""
        return (
            f"needs the package {self.package}, which is not installed here; pip install"
            f" 'art-bench[{self.extra}]'"
        )


TRACKERS = {
    tracker.name: tracker
    for tracker in (
        Tracker("mlflow", "mlflow", "mlflow", "reports.exports.mlflow_run:log"),
        Tracker("wandb", "wandb", "wandb", "reports.exports.wandb_run:log"),
    )
}


def log_run(name: str, directory: Path) -> str:
    """Give a finished run to a tracker; return where it went, in one line.

    Parameters, metrics and files are those of `RunRecord`. What the tracker raises is not caught.
    """
    module, _, function = TRACKERS[name].build.partition(":")
    log: Callable[[RunRecord], str] = getattr(importlib.import_module(module), function)
    return log(read_record(directory))


def give_to_trackers(names: Iterable[str], directory: Path, message: Callable[[str], None]) -> None:
    """Give a finished run to each tracker; say in one line where it went, or why it did not."""
    for name in names:
        try:
            message(f"logged: {log_run(name, directory)}")
        except Exception as error:
            # trackers fail in many ways: networks, disks, accounts
            first = (str(error).strip().splitlines() or [""])[0]
            text = f"{type(error).__name__}: {first}".removesuffix(": ")
            message(f"warning: --log {name} failed ({text}); the results are in {directory}")


def package_of(name: str) -> Any:
    """Import and return the package of a tracker."""
    return importlib.import_module(TRACKERS[name].package)
