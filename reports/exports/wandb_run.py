"""A run in Weights & Biases; WANDB_MODE=offline keeps it in a folder, WANDB_PROJECT names it."""

from __future__ import annotations

import os
import sys
from typing import Any

from reports.exports.record import RunRecord
from reports.exports.trackers import package_of

PROJECT = "art-bench"


def log(record: RunRecord) -> str:
    """Log a run, its files as an artifact of type `results`."""
    wandb = package_of("wandb")
    # it puts functions of its own there and leaves them, so that every exit would seem to be its
    hooks = sys.exit, sys.excepthook
    try:
        return _log(wandb, record)
    finally:
        sys.exit, sys.excepthook = hooks


def _log(wandb: Any, record: RunRecord) -> str:
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or PROJECT,
        name=record.name,
        config=record.parameters(),
        # else a second run of a process goes to the folder of the first
        dir=os.environ.get("WANDB_DIR") or ".",
        settings=wandb.Settings(silent=True, console="off"),
    )
    try:
        # a summary has one value per name, which is what a finished run has
        run.summary.update(record.metrics())
        artifact = wandb.Artifact(_artifact_name(record.name), type="results")
        for path in record.artifacts():
            artifact.add_file(str(path))
        run.log_artifact(artifact)
    finally:
        run.finish()
    where = run.dir if run.offline else run.url
    return f"Weights & Biases: {where}"


def _artifact_name(text: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in text)
    return f"results-{kept}"[:120]
