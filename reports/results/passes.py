"""The curves of robust accuracy against passes, from the column `curve`."""

from __future__ import annotations

import json

import pandas as pd

CURVES = "curves.csv"
# what says which cell a curve is of
PLACE = ("cell", "dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality")
COLUMNS = (*PLACE, "passes", "correct", "n", "accuracy")


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell and number of passes: COLUMNS, in the order of the table.

    passes: forward and backward ones that an image may take. correct: images that are right then,
    of n. accuracy: their share. A row whose curve is no JSON object of numbers is left out.
    """
    rows: list[tuple[object, ...]] = []
    known = table[table["curve"].fillna("") != ""]
    for record in known.to_dict("records"):
        place, n = (record[name] for name in PLACE), int(record["n"])
        fixed = tuple(place)
        rows += [(*fixed, p, c, n, c / n) for p, c in _points(str(record["curve"]), n)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _points(text: str, n: int) -> list[tuple[int, int]]:
    """Return passes and images, by passes; nothing for a text that is no curve."""
    try:
        points = sorted((int(passes), int(count)) for passes, count in json.loads(text).items())
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    return points if n > 0 and all(0 <= count <= n for _, count in points) else []
