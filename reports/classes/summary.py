"""A run as one table for a terminal, a paper or a page: by cell, by class, or the confusions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from reports.classes.files import as_csv
from reports.classes.tables import ClassData, confusion, per_class, read_class_data, size
from reports.errors import TableError
from reports.gates.where import known_values, matching, parse_where
from reports.results.read_write import read_results
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels, read_labels
from reports.style.numbers import NORMS, count, eps_text
from reports.style.table_text import TextTable

# rows by class that are counted at most
MOST_ROWS = 1_000_000
# heading of what tells the cells apart, and the text of a row
_PLACE: dict[str, Callable[[Labels, Row], str]] = {
    "network": lambda labels, row: labels.subject(row["dataset"], row["network"]),
    "attack": lambda labels, row: labels.attack(row["attack"]),
    "norm": lambda labels, row: NORMS.get(row["norm"], str(row["norm"])),
    "eps": lambda labels, row: "" if row["eps"] is None else eps_text(row["eps"]),
    "attacker": lambda labels, row: labels.threat(row["threat"]),
    "defence": lambda labels, row: labels.defence(row["defence"], row["quality"]),
    "samples": lambda labels, row: str(row["samples"]),
    "seed": lambda labels, row: str(row["seed"]),
}
# these are columns only where the others do not tell the cells apart
_NEEDED = ("norm", "samples", "seed")


def by_cell(run: Path, where: str = "") -> TextTable:
    """Return a row per cell: accuracy without attack and under attack, with its interval.

    where: conditions that the cells meet, as `gates.where.parse_where` reads them; "" for all.
    Here and in the other views. Raises TableError where no cell meets them.
    """
    table = _meeting(read_results(run), run, where)
    rows = as_rows(table)
    body = [
        [str(row["n"]), _percent(row["clean_accuracy"]), *_interval(row)]
        if row["status"] == "ok"
        else [str(row["status"]), "", "", ""]
        for row in rows
    ]
    header = ["images", "clean %", "accuracy %", "95 % interval"]
    return _table(rows, read_labels(run), header, body, [True] * 4)


def by_class(run: Path, where: str = "") -> TextTable:
    """Return a row per cell and class: accuracy without attack and under attack."""
    rows = as_rows(per_class(_read(run, where)))
    body = [
        [str(row["class_name"]), str(row["n"]), _percent(row["clean_accuracy"]), *_interval(row)]
        for row in rows
    ]
    header = ["class", "images", "clean %", "accuracy %", "95 % interval"]
    return _table(rows, read_labels(run), header, body, [False, *[True] * 4])


def by_confusion(run: Path, where: str = "") -> TextTable:
    """Return a row per cell, class and wrong class that is predicted under attack."""
    table = confusion(_read(run, where))
    rows = as_rows(table[table["class"] != table["predicted"]])
    body = [[str(r["class_name"]), str(r["predicted_name"]), str(r["images"])] for r in rows]
    header = ["class", "predicted", "images"]
    return _table(rows, read_labels(run), header, body, [False, False, True])


VIEWS: dict[str, Callable[[Path, str], TextTable]] = {
    "cell": by_cell,
    "class": by_class,
    "confusion": by_confusion,
}


def csv_of(run: Path, by: str, where: str = "") -> str:
    """Return all columns of a table of a run as CSV: those of its own file.

    by: one of VIEWS.
    """
    if by == "cell":
        return as_csv(_meeting(read_results(run), run, where))
    data = _read(run, where)
    return as_csv(per_class(data) if by == "class" else confusion(data))


def _meeting(table: pd.DataFrame, run: Path, where: str) -> pd.DataFrame:
    """Return the rows that meet some conditions; TableError where there are none."""
    if not where:
        return table
    conditions, labels = parse_where(where), read_labels(run)
    found = table[matching(conditions, table, labels)]
    if found.empty:
        have = known_values(conditions, table, labels)
        raise TableError(f"--where {where!r}: no row of {run} meets it, {have}")
    return found


def _read(run: Path, where: str) -> ClassData:
    """Read the predictions of a run; TableError for more rows by class than can be shown."""
    data = read_class_data(run)
    data = replace(data, table=_meeting(data.table, run, where))
    rows = size(data)
    if rows > MOST_ROWS:
        raise TableError(
            f"run {run}: has up to {count(rows, 'row')} by class, more than {MOST_ROWS:,};"
            " choose some cells with --where"
        )
    return data


def _table(
    rows: Sequence[Row], labels: Labels, header: list[str], body: list[list[str]], right: list[bool]
) -> TextTable:
    """Return a table whose first columns tell the cells apart; what all share is a note."""
    places = {name: [text(labels, row) for row in rows] for name, text in _PLACE.items()}
    told = [name for name, texts in places.items() if len(set(texts)) > 1]
    for name in _NEEDED:
        rest = [other for other in told if other != name]
        if name in told and _distinct(places, rest) == _distinct(places, told):
            told = rest
    shared = [f"{n} {texts[0]}" for n, texts in places.items() if len({*texts, ""}) == 2]
    notes = [f"All rows: {', '.join(shared)}."] if shared else []
    whole = [[*(places[name][at] for name in told), *texts] for at, texts in enumerate(body)]
    return TextTable([*told, *header], whole, [*(n == "eps" for n in told), *right], notes)


def _distinct(places: Mapping[str, Sequence[str]], names: Sequence[str]) -> int:
    """Return how many combinations of some columns there are."""
    return len(set(zip(*(places[name] for name in names), strict=True)))


def _percent(share: float | None) -> str:
    return "" if share is None or pd.isna(share) else f"{100 * share:.1f}"


def _interval(row: Row) -> list[str]:
    limits = f"{_percent(row['accuracy_low'])}\N{EN DASH}{_percent(row['accuracy_high'])}"
    return [_percent(row["accuracy"]), limits]
