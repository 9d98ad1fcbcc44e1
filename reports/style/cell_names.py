"""Cells in words: what identifies one, by label, and short enough for a line."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from reports.results.rows import Row
from reports.style.labels import NO_LABELS, Labels
from reports.style.shortened import shortened

# what makes two rows the same cell; the key `cell` does not, it also hashes data and weights
IDENTITY = ("dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality", "seed")
# the columns whose texts are names, which may have parameters and labels
NAMES = ("dataset", "network", "attack", "threat", "defence")
# the attack of rows on clean accuracy
NO_ATTACK = "no attack"
# an eps of more digits may be a number of grey levels
_WHOLE = 8
# numbers do not say by themselves what they are
_NAMED = {"norm": "L", "eps": "eps ", "quality": "quality ", "seed": "seed "}
# names are cut to no less than this
_LEAST = 12


def describe(
    row: Row | pd.Series,
    columns: Iterable[str] = IDENTITY,
    labels: Labels = NO_LABELS,
    most: int = 0,
) -> str:
    """Return a cell in words, by its labels: `LeNet, FGSM Linf eps 0.1, oblivious, JPEG 50`.

    columns: those to name, as far as they are not empty. most: the characters of one name, which is
    cut in the middle; 0 for all.
    """
    columns = tuple(columns)
    parts: list[str] = []
    for column in columns:
        if column == "quality" and "defence" in columns:
            continue
        if column == "defence" and "quality" in columns:
            behind = {"defence": str(row["defence"]), "quality": row["quality"]}
            text = _cut(labels.behind(behind), most)
        else:
            text = shown(row, column, labels, most)
        if column == "eps" and row["attack"] == NO_ATTACK:
            continue
        if text and column in ("norm", "eps") and "attack" in columns and parts:
            parts[-1] += f" {_NAMED[column]}{text}"
        elif text:
            parts.append(_NAMED.get(column, "") + text)
    return ", ".join(parts)


def shown(row: Row | pd.Series, column: str, labels: Labels = NO_LABELS, most: int = 0) -> str:
    """Return one column as people read it: its label, or the number as text."""
    text = value_text(row[column])
    if column == "eps" and len(text) > _WHOLE:
        text = _grey_levels(float(row["eps"])) or text
    return _cut(label_of(column, text, labels), most)


def _grey_levels(eps: float) -> str:
    """Return `8/255` for such an eps; empty for another."""
    levels = round(255 * eps)
    return f"{levels}/255" if math.isclose(levels, 255 * eps, rel_tol=1e-9) else ""


def label_of(column: str, name: str, labels: Labels) -> str:
    """Return the label of a name in a column; a text that is no name stays as it is."""
    return labels.shown(f"{column}s", name) if column in NAMES and name else name


def value_text(value: object) -> str:
    """Return a value of a table as text; empty where it is missing."""
    if value is None or value is pd.NA or value != value:
        return ""
    # twelve digits: an eps of 0.1 + 0.2 is the cell of eps 0.3
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def fitted(
    row: Row | pd.Series, width: int, columns: Iterable[str] = IDENTITY, labels: Labels = NO_LABELS
) -> str:
    """Return a cell in words that fits a width: its longest names are cut as little as needed."""
    columns = tuple(columns)
    text = describe(row, columns, labels)
    most = max((len(shown(row, column, labels)) for column in columns), default=0)
    while len(text) > width and most > _LEAST:
        most -= 1
        text = describe(row, columns, labels, most)
    return shortened(text, width)


def _cut(text: str, most: int) -> str:
    return shortened(text, most) if most else text
