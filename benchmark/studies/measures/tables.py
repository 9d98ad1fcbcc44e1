"""Tables of the studies: rows as frames, and means with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.statistics.intervals import spread

Row = dict[str, Any]
Rows = list[Row]


class Tables:
    """The rows of several tables while a study collects them."""

    def __init__(self) -> None:
        self._rows: dict[str, Rows] = {}

    def add(self, table: str, rows: Iterable[Row], **names: object) -> None:
        """Append rows to a table; `names` are the first columns of each of them."""
        self._rows.setdefault(table, []).extend({**names, **row} for row in rows)

    def frames(self, rounded: bool = True) -> dict[str, pd.DataFrame]:
        """Return the tables as frames by name; `rounded` as `tidy` rounds."""
        frame = tidy if rounded else pd.DataFrame
        return {name: frame(rows) for name, rows in self._rows.items()}


def per_image(ids: npt.NDArray[np.int64], **columns: object) -> Rows:
    """Return one row per image: its id, and the columns; a column with one value repeats it."""
    values = {"id": ids, **columns}
    lists = [np.broadcast_to(np.asarray(v), len(ids)).tolist() for v in values.values()]
    return [dict(zip(values, row, strict=True)) for row in zip(*lists, strict=True)]


def limits(name: str, value: object, low: object, high: object) -> Row:
    """Return a value and its confidence limits as the columns `name`, `name_low`, `name_high`."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def tidy(rows: Iterable[Row], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows as a frame, floats rounded to six significant digits to keep files small.

    columns: names for a table that may have no rows.
    """
    table = pd.DataFrame(list(rows), columns=list(columns) or None)
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            table[name] = [float(f"{value:.6g}") for value in table[name]]
    return table


def means(table: pd.DataFrame, by: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """Return the mean of each measure per group, with its 95 % interval by Student's t.

    Columns: `by`, `measure`, `mean`, `low`, `high`, `n`; NaN is left out.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        for measure in measures:
            group = dict(zip(by, key, strict=True))
            rows.append({**group, "measure": measure, **spread(part[measure])._asdict()})
    return tidy(rows, [*by, "measure", "mean", "low", "high", "n"])
