"""One side of a comparison: its table, its predictions, and its labels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from reports.errors import TableError
from reports.gates.where import Condition, known_values, matching
from reports.results.columns import RESULTS
from reports.results.predictions import Predictions, read_predictions
from reports.results.read_write import read_results
from reports.results.values import HASHES, damaged, name_by_value
from reports.style.cell_names import IDENTITY, NAMES, describe, value_text
from reports.style.labels import Labels, read_labels
from reports.style.plain_text import printable


@dataclass(frozen=True, eq=False)
class Run:
    """One side of a comparison.

    name: as the user named it. table: its results, with a text `key` of IDENTITY.
    predictions: per image; None if the run has none. labels: of its manifest.
    """

    name: str
    table: pd.DataFrame
    predictions: Predictions | None
    labels: Labels


def load(path: Path) -> Run:
    """Read one side: a results CSV, or a run directory with its predictions.

    Raises TableError for an unusable file, no rows, or two rows of one cell.
    """
    table = read_results(path)
    if table.empty:
        raise TableError(f"results {path}: no rows; name a run with rows")
    # a table by its usual name stands beside the manifest of its run
    folder = path.parent if path.name == RESULTS else path
    run = keyed(Run(printable(str(path)), table, None, read_labels(folder)))
    return replace(run, predictions=read_predictions(path))


def keyed(run: Run) -> Run:
    """Return a run with the keys of its rows. Raises TableError for two rows of one cell."""
    names = {name: run.table[name].map(name_by_value) for name in NAMES if name != "dataset"}
    table = run.table.assign(key=keys(run.table.assign(**names), IDENTITY))
    twice = table["key"].duplicated()
    if twice.any():
        first = describe(table[twice].iloc[0])
        raise TableError(f"results {run.name}: two rows for {first}; remove one of them")
    return replace(run, table=table)


def narrowed(run: Run, where: tuple[Condition, ...], required: bool) -> Run:
    """Return the rows of a run that meet the conditions.

    required: raise TableError if there are none.
    """
    if not where:
        return run
    table = run.table[matching(where, run.table, run.labels)]
    if table.empty and required:
        have = known_values(where, run.table, run.labels)
        asked = " ".join(map(str, where))
        raise TableError(f"--where {asked!r}: no row of {run.name} meets it, {have}")
    return replace(run, table=table.reset_index(drop=True))


def keys(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Return one text per row, which is equal for equal values of the columns."""
    rows = table[list(columns)].itertuples(index=False, name=None)
    return [json.dumps([value_text(value) for value in row]) for row in rows]


def damages(run: Run) -> list[str]:
    """Return a sentence for each column of hashes that another program read as numbers."""
    counts = {name: sum(map(damaged, run.table[name])) for name in HASHES}
    return [
        f"{run.name}: {name} of {count} rows was read as a number and written back damaged, so it"
        " is not compared; read this column as text."
        for name, count in counts.items()
        if count
    ]


def both_labels(runs: Iterable[Run]) -> Labels:
    """Return the labels of several runs; where they differ, that of the first."""
    names: dict[str, dict[str, str]] = {}
    runs = list(runs)
    for run in reversed(runs):
        for kind, labels in run.labels.names.items():
            names.setdefault(kind, {}).update(labels)
    threats = next((run.labels.threats for run in runs if run.labels.names), runs[0].labels.threats)
    return Labels(names, threats)
