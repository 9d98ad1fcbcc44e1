"""Errors under corruptions in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.corruptions.alexnet import ALEXNET
from reports.corruptions.errors import FAMILY, MEAN
from reports.results.rows import Row, as_rows, grouped
from reports.style.labels import Labels
from reports.style.numbers import percent


def summary_lines(table: pd.DataFrame, labels: Labels) -> Iterator[str]:
    """Yield one sentence per network and defence of a table of `corruption_errors`.

    Where no kind has all five severities there is no mean, and the sentence says so.
    """
    place = ["dataset", "network", "defence", "quality", "samples", "seed"]
    for _, rows in grouped(as_rows(table), place):
        first, kinds = rows[0], [row for row in rows if row["kind"] != MEAN]
        where = labels.subject(first["dataset"], first["network"])
        behind = "" if first["defence"] == "none" else f" behind {labels.behind(first)}"
        mean = next((row for row in rows if row["kind"] == MEAN), None)
        worst = max(kinds, key=lambda row: float(row["error"]))
        most = f"worst {kind_label(worst['kind'], labels)}, {percent(worst['error'])}"
        if mean is None:
            text = "no kind has all five severities, so there is no mean"
        else:
            text = f"{error_text(mean)}, {mean['kinds']:.0f} of {len(ALEXNET)} kinds"
            if mean["relative"] is not None:
                text += f", relative to {mean['reference']} {percent(mean['relative'])}"
        clean = f"clean error {percent(first['clean_error'])}"
        yield f"mean corruption error of {where}{behind}: {text}; {most}; {clean}"


def error_text(row: Row) -> str:
    """Return an error with its limits, where they are known: `12.3 % (11.0 to 13.6)`."""
    if row["low"] is None:
        return percent(row["error"])
    return f"{percent(row['error'])} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def kind_label(kind: str, labels: Labels) -> str:
    """Return the label of a kind: `defocus blur`."""
    return "mean" if kind == MEAN else labels.attack(f"{FAMILY}{kind}").removeprefix(FAMILY)
