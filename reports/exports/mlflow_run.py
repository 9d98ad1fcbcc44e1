"""A run in MLflow: where MLFLOW_TRACKING_URI says, else in MLflow's own place (`mlflow.db`)."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

from reports.exports.record import RunRecord
from reports.exports.trackers import package_of

EXPERIMENT = "art-bench"


def log(record: RunRecord) -> str:
    """Log a run into the active MLflow run, if there is one, else into a new one.

    A new one belongs to the experiment MLFLOW_EXPERIMENT_NAME, or `art-bench`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own database layer uses what is deprecated
        mlflow = package_of("mlflow")
        talk = logging.getLogger("mlflow")
        before = talk.level
        talk.setLevel(logging.WARNING)
        try:
            return _log(mlflow, record)
        finally:
            talk.setLevel(before)


def _log(mlflow: Any, record: RunRecord) -> str:
    active = mlflow.active_run()
    if active is not None:
        _fill(mlflow, record)
        return _where(mlflow, active)
    # not set_experiment, which would hold for the runs that a user starts later
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    known = mlflow.get_experiment_by_name(name)
    experiment = mlflow.create_experiment(name) if known is None else known.experiment_id
    with mlflow.start_run(run_name=record.name, experiment_id=experiment) as run:
        _fill(mlflow, record)
    return _where(mlflow, run)


def _fill(mlflow: Any, record: RunRecord) -> None:
    mlflow.log_params(record.parameters())
    mlflow.log_metrics(record.metrics())
    for path in record.artifacts():
        mlflow.log_artifact(str(path))


def _where(mlflow: Any, run: Any) -> str:
    return f"MLflow run {run.info.run_id} at {mlflow.get_tracking_uri()}"
