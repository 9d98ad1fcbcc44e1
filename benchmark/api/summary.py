"""An evaluation on one screen: a row per network, defence and budget, and what to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from reports.audit.audit import short
from reports.results.manifest import squashed_networks
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels
from reports.style.numbers import NORMS, count, eps_text

# the page of a run
PAGE = "report.html"
# warnings that are shown, at most
MOST_NOTES = 8
CAPTION = "Worst case: images right without attack and under every attack of their row."


@dataclass(frozen=True)
class Column:
    """One column of a summary.

    title: what stands above it. is_number: its texts are numbers. optional: it may be left out
    where there is no room.
    """

    title: str
    is_number: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Summary:
    """What `Evaluation.show` shows.

    title: what was attacked. columns: of the table. rows: a text per column.
    caption: one sentence about the table. notes: warnings, and what failed, one line each.
    files: where the files are; "" for none.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    caption: str
    notes: Sequence[str]
    files: str = ""


def summary_of(
    table: pd.DataFrame,
    worst: pd.DataFrame,
    findings: pd.DataFrame,
    manifest: dict[str, Any],
    labels: Labels,
    directory: Path | None,
) -> Summary:
    """Return the summary of an evaluation; the arguments are the fields of `Evaluation`."""
    found = [row for row in as_rows(table) if row["status"] == "ok" and row["eps"] != 0]
    lines = as_rows(worst)
    columns = _columns(found, lines, labels)
    rows = [[text(row) for _, text in columns] for row in lines]
    notes = list(_notes(table, findings, manifest, labels))
    more = [f"and {len(notes) - MOST_NOTES} more"] if len(notes) > MOST_NOTES else []
    return Summary(
        title=_title(lines, labels),
        columns=[column for column, _ in columns],
        rows=rows,
        caption=CAPTION if rows else "",
        notes=[*notes[:MOST_NOTES], *more],
        files="" if directory is None else f"files in {directory}, page {directory / PAGE}",
    )


def _columns(
    found: Sequence[Row], lines: Sequence[Row], labels: Labels
) -> list[tuple[Column, Callable[[Row], str]]]:
    """Return the columns with what each shows of a row; what all rows share is in the title."""
    attacks = list(dict.fromkeys(row["attack"] for row in found))
    columns: list[tuple[Column, Callable[[Row], str]]] = []
    if len({row["dataset"] for row in lines}) > 1:
        columns.append((Column("data"), lambda row: labels.dataset(row["dataset"])))
    if len({row["network"] for row in lines}) > 1:
        columns.append((Column("network"), lambda row: labels.network(row["network"])))
    columns.append((Column("defence"), labels.behind))
    columns.append((Column("budget"), _budget))
    if len({row["n"] for row in lines}) > 1:
        columns.append((Column("images", True), lambda row: f"{int(row['n']):,}"))
    columns.append((Column("clean %", True), lambda row: _percent(row["clean_accuracy"])))
    for attack in attacks if len(attacks) > 1 else ():
        column = Column(f"{labels.attack(attack)} %", True, optional=True)
        columns.append((column, partial(_accuracy, found, attack)))
    columns.append((Column("worst %", True), lambda row: _percent(row["accuracy"])))
    columns.append((Column("95 % interval", True), _interval))
    columns.append((Column("by"), partial(_by, labels)))
    return columns


def _title(lines: Sequence[Row], labels: Labels) -> str:
    """Return what is the same in all rows: network, data, number of images."""
    networks, datasets, counts = (
        {row[key] for row in lines} for key in ("network", "dataset", "n")
    )
    parts = [labels.network(str(name)) for name in networks if len(networks) == 1]
    if len(datasets) == 1:
        parts.append(("on " if parts else "") + labels.dataset(str(*datasets)))
    title = " ".join(parts)
    images = [count(int(n), "image") for n in counts if len(counts) == 1]
    return ": ".join(filter(None, [title, *images]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(row: Row) -> str:
    return f"{_percent(row['low'])} to {_percent(row['high'])}"


def _budget(row: Row) -> str:
    norm = NORMS.get(str(row["norm"]), str(row["norm"]))
    if row["eps"] is None:
        return f"{norm}, any"
    if row["norm"] == "0":
        return f"{norm} {round(row['eps'])} values"
    decimal, _, levels = eps_text(row["eps"]).partition(" (")
    return f"{norm} {levels.removesuffix(')') or decimal}"


def _accuracy(found: Sequence[Row], attack: str, place: Row) -> str:
    """Return the accuracy under one attack at the place of a row, the lowest over the threats."""
    keys = ("dataset", "network", "norm", "eps", "defence", "quality")
    own = [row["accuracy"] for row in found
           if row["attack"] == attack and all(row[key] == place[key] for key in keys)]  # fmt: skip
    return _percent(min(own)) if own else ""


def _by(labels: Labels, row: Row) -> str:
    """Return which attack is strongest by itself, and what it knows where there is a defence.

    It is empty where no attack changed the answer for any image.
    """
    if row["accuracy"] == row["clean_accuracy"]:
        return ""
    attack = labels.attack(str(row["attack"]))
    return attack if row["defence"] == "none" else f"{attack}, {labels.threat(str(row['threat']))}"


def _notes(
    table: pd.DataFrame, findings: pd.DataFrame, manifest: dict[str, Any], labels: Labels
) -> Iterator[str]:
    """Yield what was skipped or failed, and every warning, one line each."""
    for status in ("failed", "skipped"):
        reasons = table.loc[table["status"] == status, "reason"]
        for reason, cells in reasons.value_counts().items():
            yield f"{status}: {cells} of {len(table)} cells: {labels.in_text(str(reason))}"
    # the check of the wrapping says the same of these, with what follows from it
    squashed = findings["dataset"] + "/" + findings["network"]
    said = (findings["check"] == "logits") & squashed.isin(squashed_networks(manifest))
    yield from short(findings[~said])
