"""Rows of a table as dictionaries: Python's own values, missing ones as None."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.results.rows import as_rows


def test_values_are_pythons_own() -> None:
    table = pd.DataFrame({"name": ["ab", None], "share": [0.5, np.nan], "flag": [True, False]})
    table["count"] = pd.Series([3, None], dtype="Int64")
    table["mixed"] = pd.Series([np.int64(2), "x"], dtype=object)
    first, second = as_rows(table)
    assert first == {"name": "ab", "share": 0.5, "flag": True, "count": 3, "mixed": 2}
    assert second == {"name": None, "share": None, "flag": False, "count": None, "mixed": "x"}
    assert [type(value) for value in first.values()] == [str, float, bool, int, int]


def test_equal_texts_are_one_object() -> None:
    texts = ["".join(["a", "b"]), "".join(["a", "b"])]
    assert texts[0] is not texts[1]
    first, second = as_rows(pd.DataFrame({"name": pd.Series(texts, dtype=object)}))
    assert first["name"] is second["name"]


def test_a_table_without_rows_has_none() -> None:
    assert as_rows(pd.DataFrame({"name": []})) == []
