"""The rows of the table: finished, failed and skipped cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmark.attacks.lookup import all_params, attack_entry, attack_norm
from benchmark.execution.outcome import Outcome
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from benchmark.runs.store import Stored
from reports.results.columns import SCHEMA
from reports.statistics.intervals import wilson

Row = dict[str, Any]


def _base(cell: Cell, key: str, inputs: RunInputs) -> Row:
    """Return the columns that a finished and a failed cell have in common."""
    trained = inputs.networks[cell.dataset, cell.network]
    return {
        **identity(cell),
        "cell": key,
        "data_sha256": inputs.images[cell.dataset].sha256[:16],
        "weights_sha256": trained.sha256[:16],
    }


def ok(cell: Cell, key: str, inputs: RunInputs, outcome: Outcome, seconds: float) -> Stored:
    """Return a finished cell: its row, and its predictions per image."""
    row = {**_base(cell, key, inputs), "status": "ok", "reason": "", **row_of(cell, outcome)}
    predictions = pd.DataFrame(
        {
            "id": outcome.ids,
            "label": outcome.label,
            "clean": outcome.clean,
            "adversarial": outcome.adversarial,
        }
    )
    return Stored(key, row, seconds, predictions)


def failed(cell: Cell, key: str, inputs: RunInputs, message: str, seconds: float) -> Stored:
    """Return a cell that raised."""
    row = {**_base(cell, key, inputs), "status": "failed", "reason": message}
    return Stored(key, row, seconds, None)


def skipped(cell: Cell, key: str, reason: str) -> Row:
    """Return the row of a cell whose data are unavailable; it is not stored."""
    return {**identity(cell), "cell": key, "status": "skipped", "reason": reason}


def row_of(cell: Cell, outcome: Outcome) -> Row:
    """Return the numbers of one row.

    Norms and success are taken over the images that are classified correctly without attack.
    """
    right = outcome.clean == outcome.label
    still_right = outcome.adversarial == outcome.label
    n, correct = len(outcome.label), int(still_right.sum())
    low, high = wilson(correct, n)
    if cell.attack.get("targeted", False):
        attackable = right & (outcome.target != outcome.label)
        success = outcome.adversarial == outcome.target
    else:
        attackable, success = right, ~still_right
    row: Row = {
        "n": n,
        "clean_correct": int(right.sum()),
        "clean_accuracy": int(right.sum()) / n,
        "correct": correct,
        "accuracy": correct / n,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "success_rate": float(success[attackable].mean()) if attackable.any() else None,
        "zero_gradient": (
            float(outcome.zero.mean()) if attack_entry(cell.attack).uses_gradient else None
        ),
        "over_budget": int(outcome.over.sum()),
        "gradients": float(outcome.gradients.mean()),
        "forwards": float(outcome.forwards.mean()),
    }
    for norm in ("l2", "linf"):
        sizes = getattr(outcome, norm)[right].astype(np.float64)
        for name, statistic in (("mean", np.mean), ("median", np.median), ("max", np.max)):
            row[f"{norm}_{name}"] = float(statistic(sizes)) if len(sizes) else None
    return row


def identity(cell: Cell) -> Row:
    """Return the columns that identify a cell."""
    return {
        "schema": SCHEMA,
        "dataset": cell.dataset,
        "network": str(cell.network),
        "attack": str(cell.attack.without("eps")),
        "norm": attack_norm(cell.attack),
        "eps": cell.eps,
        "threat": cell.threat,
        "defence": str(cell.defence.without("quality")),
        "quality": cell.defence.get("quality"),
        "attack_params": all_params(cell.attack),
        "samples": str(cell.samples),
        "seed": cell.seed,
    }
