"""Rows of a table as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

# a row of a table, or a JSON object, by name
Row = dict[str, Any]
# what a group of rows agrees in
Key = tuple[Any, ...]


def as_rows(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table, missing values as None."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in table.to_dict("records")
    ]


def grouped(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[tuple[Key, list[Row]]]:
    """Yield the rows that agree in some columns, in the order in which they first come.

    Plain lists: a frame for each of thousands of small groups takes ten times as long.
    """
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in columns), []).append(row)
    yield from groups.items()


def select(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows of a table that have these values in these columns."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table
