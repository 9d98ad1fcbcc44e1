"""The lowest accuracy of a run without predictions: over whole attacks, not image by image."""

from __future__ import annotations

import pandas as pd

from reports.results.rows import Row, as_rows, grouped
from reports.worst_case.strongest import ANY, COLUMNS

_PLACE = ("dataset", "network", "norm", "defence", "quality", "seed")


def lowest_by_attack(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns of a worst case, from a results table alone.

    Each row is the attack with the lowest accuracy among those of one norm whose eps is at most
    that of the row. That is an upper bound of the worst case over images. There are no gains.
    """
    done = as_rows(table[(table["status"] == "ok") & table["n"].gt(0).fillna(False)])
    rows: list[Row] = []
    for key, group in grouped(done, _PLACE):
        place = dict(zip(_PLACE, key, strict=True))
        threats = list(dict.fromkeys(row["threat"] for row in group))
        for threat in [*threats, *([ANY] if len(threats) > 1 else [])]:
            part = [row for row in group if threat in (ANY, row["threat"])]
            for eps in _levels(part):
                within = [
                    r for r in part if eps is None or (r["eps"] is not None and r["eps"] <= eps)
                ]
                rows.append({**place, "threat": threat, "eps": eps, **_lowest(within, eps)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _levels(part: list[Row]) -> list[float | None]:
    bounded = sorted({row["eps"] for row in part if row["eps"] is not None})
    return [*bounded, *([None] if any(row["eps"] is None for row in part) else [])]


def _lowest(within: list[Row], eps: float | None) -> Row:
    """Return the numbers of the attack that leaves the fewest images right."""
    at = [row for row in within if row["eps"] == eps]
    best = min(within, key=lambda row: row["accuracy"])
    here = min(at, key=lambda row: row["accuracy"])
    names = dict.fromkeys(row["attack"] for row in within if row["eps"] != 0)
    numbers = {name: best[name] for name in ("n", "clean_correct", "correct", "accuracy")}
    limits = {"low": best["accuracy_low"], "high": best["accuracy_high"]}
    strongest = {"strongest": "", "strongest_threat": ""}
    if eps != 0:
        strongest = {"strongest": here["attack"], "strongest_threat": here["threat"]}
    return {**numbers, **limits, "attacks": " + ".join(names), **strongest}
