"""`per_class.csv` and `confusion.csv` of a run directory."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.classes.tables import confusion, per_class, read_class_data, size
from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.predictions import FILE as PREDICTIONS

PER_CLASS_FILE, CONFUSION_FILE = "per_class.csv", "confusion.csv"
# a run with more rows by class does not get the files: `bench summary` writes what is asked for
MOST_ROWS = 20_000


def write_classes(directory: Path) -> bool:
    """Write both tables of a run directory, and return whether they are there.

    A run with more than MOST_ROWS rows by class, or without predictions, gets neither.
    """
    files = {PER_CLASS_FILE: per_class, CONFUSION_FILE: confusion}
    try:
        data = read_class_data(directory) if (directory / PREDICTIONS).is_file() else None
    except TableError:
        data = None
    if data is None or not 0 < size(data) <= MOST_ROWS:
        for name in files:
            (directory / name).unlink(missing_ok=True)
        return False
    for name, table_of in files.items():
        replace_text(directory / name, as_csv(table_of(data)))
    return True


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV: missing values are empty, floats have the fewest digits."""
    rows = table.astype(object).where(table.notna(), "").itertuples(index=False, name=None)
    return csv_text(table.columns, rows)
