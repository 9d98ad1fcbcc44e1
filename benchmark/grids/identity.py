"""What identifies a cell, as columns of a results table."""

from __future__ import annotations

from typing import Any

from benchmark.attacks.lookup import all_params, attack_norm
from benchmark.grids.cell import Cell
from estimators.data.samples import shown_samples
from reports.results.columns import SCHEMA


def identity(cell: Cell) -> dict[str, Any]:
    """Return the columns that identify a cell."""
    row: dict[str, Any] = {"schema": SCHEMA, "dataset": cell.dataset, "network": str(cell.network)}
    row |= {"attack": str(cell.attack.without("eps")), "norm": attack_norm(cell.attack)}
    row |= {"eps": cell.eps, "threat": cell.threat}
    row |= {"defence": str(cell.defence.without("quality")), "quality": cell.defence.get("quality")}
    row |= {"attack_params": all_params(cell.attack), "samples": shown_samples(cell.samples)}
    return row | {"seed": cell.seed}
