"""Rows of a table as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

# a row of a table, or a JSON object, by name
Row = dict[str, Any]
# what a group of rows agrees in
Key = tuple[Any, ...]


def as_rows(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table, missing values as None."""
    names = [str(name) for name in table.columns]
    known: dict[str, str] = {}
    columns = [_natives(table.iloc[:, at], known) for at in range(len(names))]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _natives(column: pd.Series, known: dict[str, str]) -> list[Any]:
    """Return the values of a column as Python has them, missing ones as None.

    known: texts met before. Equal ones become one object: 100,000 rows repeat a few names.
    """
    values = zip(column.tolist(), column.isna().tolist(), strict=True)
    return [None if missing else _native(value, known) for value, missing in values]


def _native(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return known.setdefault(value, value)
    return value.item() if isinstance(value, np.generic) else value


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
