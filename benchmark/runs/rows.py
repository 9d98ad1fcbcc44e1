"""A cell and what came of it as a row of the table."""

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


def _base(cell: Cell, key: str, inputs: RunInputs) -> dict[str, Any]:
    trained = inputs.networks[cell.dataset, cell.network]
    return {
        **identity(cell),
        "cell": key,
        "data_sha256": inputs.images[cell.dataset].sha256[:16],
        "weights_sha256": trained.sha256[:16],
    }


def ok(cell: Cell, key: str, inputs: RunInputs, outcome: Outcome, seconds: float) -> Stored:
    """The row of a cell with its numbers, and its predictions image by image."""
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
    """The row of a cell that raised."""
    row = {**_base(cell, key, inputs), "status": "failed", "reason": message}
    return Stored(key, row, seconds, None)


def skipped(cell: Cell, key: str, reason: str) -> dict[str, Any]:
    """The row of a cell whose data are not to be had; it is not stored."""
    return {**identity(cell), "cell": key, "status": "skipped", "reason": reason}


def row_of(cell: Cell, outcome: Outcome) -> dict[str, Any]:
    """The numbers of one row; norms and success are taken over the images that were right."""
    right = outcome.clean == outcome.label
    still = outcome.adversarial == outcome.label
    n, hits = len(outcome.label), int(still.sum())
    low, high = wilson(hits, n)
    if cell.attack.get("targeted", False):
        attackable = right & (outcome.target != outcome.label)
        won = outcome.adversarial == outcome.target
    else:
        attackable, won = right, ~still
    row: dict[str, Any] = {
        "n": n,
        "clean_correct": int(right.sum()),
        "clean_accuracy": int(right.sum()) / n,
        "correct": hits,
        "accuracy": hits / n,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "success_rate": float(won[attackable].mean()) if attackable.any() else None,
        "zero_gradient": (
            float(outcome.zero.mean()) if attack_entry(cell.attack).uses_gradient else None
        ),
        "over_budget": int(outcome.over.sum()),
        "gradients": float(outcome.gradients.mean()),
        "forwards": float(outcome.forwards.mean()),
    }
    for norm in ("l2", "linf"):
        sizes = getattr(outcome, norm)[right].astype(np.float64)
        for name, of in (("mean", np.mean), ("median", np.median), ("max", np.max)):
            row[f"{norm}_{name}"] = float(of(sizes)) if len(sizes) else None
    return row


def identity(cell: Cell) -> dict[str, Any]:
    """The columns of a row that say which cell it is."""
    quality = cell.defence.get("quality")
    return {
        "schema": SCHEMA,
        "dataset": cell.dataset,
        "network": str(cell.network),
        "attack": str(cell.attack.without("eps")),
        "norm": attack_norm(cell.attack),
        "eps": cell.eps,
        "threat": cell.threat,
        "defence": str(cell.defence.without("quality")),
        "quality": quality,
        "attack_params": all_params(cell.attack),
        "samples": str(cell.samples),
        "seed": cell.seed,
    }
