"""The order of attackers: who knows more than whom, and who is strongest in each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from reports.style.labels import place

# by name, from the least to the most knowledge; `transfer` never saw the network that is scored
ORDER = ("transfer", "oblivious", "adaptive", "adaptive-diff", "adaptive-eot")


def rank(threat: str) -> int:
    """The place of a threat in ORDER; a stranger comes last."""
    name = threat.partition("[")[0]
    return ORDER.index(name) if name in ORDER else len(ORDER)


def is_transfer(threat: str) -> bool:
    """Whether the images were crafted on another network."""
    return rank(threat) == 0


def knows(threat: str, defence: str) -> bool:
    """Whether the attacker attacks the very thing that is scored."""
    return threat.startswith("adaptive") or (defence == "none" and not is_transfer(threat))


def in_order(threats: Iterable[str]) -> list[str]:
    """Each threat once, as ORDER has them; equals as they come. Transfers only where alone."""
    listed = sorted(dict.fromkeys(threats), key=rank)
    return [threat for threat in listed if not is_transfer(threat)] or listed


def strongest(worst: pd.DataFrame, budgets: Mapping[tuple[str, str, str], float]) -> pd.DataFrame:
    """Which attacker is strongest behind each defence, at one budget a network.

    worst: a worst-case table (`worst_case.strongest`). budgets: the eps by data set, network and
    norm; others are left out, attacks without a bound never are.

    Columns: place, norm, eps, defence (with its quality), attacker (`threat: attack`, that one
    alone), accuracy and limits (the worst case over all), n.
    """
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    keys = ("dataset", "network", "norm", "defence", "quality", "seed", "eps")
    for row in as_rows(worst):
        # `any` comes last, where there are several threats
        last[tuple(row[key] for key in keys)] = row
    rows = []
    for row in last.values():
        wanted = budgets.get((row["dataset"], row["network"], row["norm"]))
        eps, quality = row["eps"], row["quality"]
        here = eps is None or (wanted is not None and abs(eps - wanted) < 1e-9)
        if here and row["strongest"]:
            rows.append(
                {
                    "place": place(row["dataset"], row["network"]),
                    "norm": row["norm"],
                    "eps": eps,
                    "defence": row["defence"]
                    if quality is None
                    else f"{row['defence']} {int(quality)}",
                    "attacker": f"{row['strongest_threat']}: {row['strongest']}",
                    "accuracy": row["accuracy"],
                    "low": row["low"],
                    "high": row["high"],
                    "n": row["n"],
                }
            )
    columns = ["place", "norm", "eps", "defence", "attacker", "accuracy", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table for a template, missing numbers as None."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in table.to_dict("records")
    ]
