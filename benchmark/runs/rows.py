"""The rows of the table: finished, failed and skipped cells."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from benchmark.attacks.lookup import attack_entry
from benchmark.execution.outcome import Outcome
from benchmark.grids.cell import Cell
from benchmark.grids.identity import identity
from benchmark.runs.curve import curve
from benchmark.runs.inputs import RunInputs
from benchmark.runs.packed import COLUMNS, OPTIONAL
from benchmark.runs.records.check import Row
from benchmark.runs.store import Stored
from estimators.outputs import NO_CLASS
from reports.results.norms import LENGTHS
from reports.statistics.draws import mean_over_draws


def _base(cell: Cell, key: str, inputs: RunInputs) -> Row:
    """Return the columns that a finished and a failed cell have in common."""
    trained = inputs.networks[cell.dataset, cell.network]
    data_sha256 = inputs.data_sha256(cell)[:16]
    hashes = {"data_sha256": data_sha256, "weights_sha256": trained.sha256[:16]}
    return {**identity(cell), "cell": key, **hashes}


def ok(cell: Cell, key: str, inputs: RunInputs, outcome: Outcome, seconds: float) -> Stored:
    """Return a finished cell: its row, and its predictions per image."""
    classes = len(inputs.images[cell.dataset].classes)
    return finished(cell, key, _base(cell, key, inputs), outcome, classes, seconds)


def finished(
    cell: Cell, key: str, base: Row, outcome: Outcome, classes: int, seconds: float
) -> Stored:
    """Return a finished cell as it is stored.

    base: the columns of its row that say what it is. classes: their number.
    """
    row = {**base, "status": "ok", "reason": "", **row_of(cell, outcome)}
    row["broken_by"] = broken_by(cell, outcome, classes)
    # labels are classes, too
    label = outcome.label.astype(outcome.clean.dtype)
    values = (outcome.ids, label, outcome.clean, outcome.adversarial)
    table = dict(zip(COLUMNS, values, strict=True))
    optional = {name: getattr(outcome, name) for name in OPTIONAL}
    table |= {name: value for name, value in optional.items() if value is not None}
    return Stored(key, row, seconds, pd.DataFrame(table))


def failed(cell: Cell, key: str, inputs: RunInputs, message: str, seconds: float) -> Stored:
    """Return a cell that raised."""
    row = {**_base(cell, key, inputs), "status": "failed", "reason": message}
    return Stored(key, row, seconds, None)


def skipped(cell: Cell, key: str, reason: str) -> Row:
    """Return the row of a cell whose data are unavailable; it is not stored."""
    return {**identity(cell), "cell": key, "status": "skipped", "reason": reason}


def row_of(cell: Cell, outcome: Outcome) -> Row:
    """Return the numbers of one row.

    Norms and success are taken over the images that are classified correctly without attack, in the
    first scoring draw.
    """
    right = outcome.clean == outcome.label
    classes, label = outcome.drawn("adversarial"), outcome.label[:, None]
    still_right = classes == label
    n, correct = len(outcome.label), int(still_right[:, 0].sum())
    if cell.attack.get("targeted", False):
        attackable = right & (outcome.target != outcome.label)
        success = classes == outcome.target[:, None]
    else:
        attackable, success = right, ~still_right
    uses_gradient = attack_entry(cell.attack).uses_gradient
    row = Row(n=n, clean_correct=int(right.sum()), correct=correct)
    row["clean_accuracy"] = float((outcome.drawn("clean") == label).mean())
    rate = mean_over_draws(still_right.sum(1), still_right.shape[1])
    row |= {"accuracy": rate.value, "accuracy_low": rate.low, "accuracy_high": rate.high}
    if cell.draws is not None:
        row |= {"draws": cell.draws, "accuracy_worst_draw": float(still_right.mean(0).min())}
        row["accuracy_every_draw"] = float(still_right.all(1).mean())
    row["success_rate"] = float(success[attackable].mean()) if attackable.any() else None
    row["zero_gradient"] = float(outcome.zero.mean()) if uses_gradient else None
    row["nan_gradient"] = float(outcome.nan.mean()) if uses_gradient else None
    row["over_budget"] = int(outcome.over.sum())
    row["non_finite"] = int((outcome.adversarial == NO_CLASS).sum())
    row |= {name: float(getattr(outcome, name).mean()) for name in ("gradients", "forwards")}
    if attack_entry(cell.attack).counts_images:
        row["curve"] = curve(still_right[:, 0], outcome.gradients, outcome.forwards)
    for norm in LENGTHS:
        sizes = getattr(outcome, norm)[right].astype(np.float64)
        for name, statistic in (("mean", np.mean), ("median", np.median), ("max", np.max)):
            row[f"{norm}_{name}"] = float(statistic(sizes)) if len(sizes) else None
    return row


def broken_by(cell: Cell, outcome: Outcome, classes: int) -> str:
    """Return how many images each part of the attack broke, as JSON in the order of the parts.

    Only images count that are right without attack. Empty for an attack without parts.
    """
    entry = attack_entry(cell.attack)
    if outcome.part is None or entry.parts is None:
        return ""
    names = entry.parts(entry.resolved(cell.attack.kwargs), classes)
    broken = (outcome.clean == outcome.label) & (outcome.adversarial != outcome.label)
    counts = [int((broken & (outcome.part == n)).sum()) for n in range(len(names))]
    return json.dumps(dict(zip(names, counts, strict=True)))
