"""Means over the rows of a study's table, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.studies.measures.subjects import tidy
from reports.statistics.intervals import spread


def means(table: pd.DataFrame, by: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """The mean of each measure over the rows of each group, with Student's t interval of 95 %.

    Returns the columns `by`, `measure`, `mean`, `low`, `high`, `n`; NaN is left out.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        for measure in measures:
            found = spread(part[measure])
            rows.append([*key, measure, found.mean, found.low, found.high, found.n])
    columns = [*by, "measure", "mean", "low", "high", "n"]
    return tidy([dict(zip(columns, row, strict=True)) for row in rows], columns)
