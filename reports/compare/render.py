"""A comparison as CSV, JSON or HTML, with all rows, always with the worst first."""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

import pandas as pd

from reports.compare.compare import Comparison
from reports.compare.pairing import records
from reports.results.rows import Row
from reports.style.cell_names import IDENTITY, shown
from reports.style.labels import NO_LABELS, Labels

TEMPLATES = Path(__file__).parent / "templates"
# a name in a column is cut to this; CSV and JSON have all of it
_LONGEST = 48


class Texts(NamedTuple):
    """A comparison as text.

    header, rows: texts of the columns. right: whether a column holds numbers.
    """

    header: list[str]
    rows: list[list[str]]
    right: list[bool]


def letters(comparison: Comparison) -> dict[str, str]:
    """Return a letter for each compared run, from B on: names can be long paths."""
    given = [*ascii_uppercase[1:], *(f"run {i}" for i in range(26, len(comparison.others) + 1))]
    return dict(zip(dict.fromkeys(comparison.others), given, strict=False))


def headline(comparison: Comparison) -> str:
    """Return one line: the runs, and how many cells have each verdict."""
    counts = [f"{n} {verdict}" for verdict, n in comparison.counts().items() if n]
    names = [f"A = {comparison.a}", *(f"{v} = {k}" for k, v in letters(comparison).items())]
    return f"{', '.join(names)}: {', '.join(counts) or 'no cells'}"


def common(rows: pd.DataFrame, labels: Labels = NO_LABELS) -> str:
    """Return what all cells share, in words; empty if they share nothing."""
    same = [name for name in IDENTITY if len(rows) > 1 and rows[name].nunique(dropna=False) == 1]
    words = [f"{name} {text}" for name in same if (text := shown(rows.iloc[0], name, labels))]
    return ", ".join(words)


def footnotes(comparison: Comparison) -> list[str]:
    """Return what all cells share (tables omit it), the units, and the notes."""
    shared = common(comparison.rows, comparison.labels)
    units = "Accuracy in per cent, B - A in percentage points."
    return [*([f"All cells: {shared}."] if shared else []), units, *comparison.notes]


def varying(rows: pd.DataFrame) -> list[str]:
    """Return the columns of IDENTITY in which the rows differ; all of them for a single row."""
    if len(rows) == 1:
        return list(IDENTITY)
    names = [name for name in IDENTITY if rows[name].nunique(dropna=False) > 1]
    one_norm = rows.groupby("attack")["norm"].nunique(dropna=False).le(1).all()
    return [name for name in names if not (name == "norm" and one_norm)]


def texts(comparison: Comparison, limit: int | None = None) -> Texts:
    """Return the table as text, a column for each part of a cell; `limit` keeps the first rows."""
    rows = comparison.rows
    cell = varying(rows)
    letter = letters(comparison)
    run = ["run"] if len(letter) > 1 else []
    tests = rows.loc[rows["method"] != "", "method"]
    missing = rows["verdict"].str.startswith("only in")
    after = ["method"] if tests.nunique() > 1 else []
    after += ["remark"] if (rows.loc[missing, "remark"] != "").any() else []
    after += ["warning"] if (rows["warning"] != "").any() else []
    numbers = number_columns(comparison)
    digits = digits_of(rows)
    body = [
        [
            verdict_text(row, letter),
            *(letter[row["b"]] for _ in run),
            *(shown(row, column, comparison.labels, _LONGEST) for column in cell),
            *number_texts(row, digits),
            *(row[name] for name in after),
        ]
        for row in records(rows.head(len(rows) if limit is None else limit))
    ]
    header = ["verdict", *run, *cell, *numbers, *after]
    return Texts(header, body, [name in numbers for name in header])


def number_columns(comparison: Comparison) -> list[str]:
    """Return the headings of `number_texts`."""
    correction = "" if comparison.correction == "none" else f" ({comparison.correction})"
    return ["A %", "B %", "B - A", f"{100 * comparison.level:g} % interval", f"p{correction}"]


def verdict_text(row: Row, letter: dict[str, str]) -> str:
    """Return the verdict of a row; `only in B` names the run's own letter."""
    return str(row["verdict"]).replace("only in B", f"only in {letter[row['b']]}")


def digits_of(rows: pd.DataFrame) -> int:
    """Return the decimals of a per cent: a step of 0.1 points is one image of a thousand."""
    return 1 if rows[["n_a", "n_b"]].max().max() <= 1000 else 2


def number_texts(row: Row, digits: int) -> list[str]:
    """Return both accuracies, the difference, its interval and p; empty where there is none."""

    def points(name: str, sign: str = "+") -> str:
        return "" if pd.isna(row[name]) else f"{100 * row[name]:{sign}.{digits}f}"

    p = row["p_adjusted"]
    return [
        points("accuracy_a", ""),
        points("accuracy_b", ""),
        points("difference"),
        "" if pd.isna(row["low"]) else f"{points('low')} to {points('high')}",
        "" if pd.isna(p) else "<0.0001" if p < 1e-4 else f"{p:.4f}",
    ]


def to_csv(comparison: Comparison) -> str:
    """Return all rows and columns of ROWS, preceded by A, with the correction and the level."""
    rows = comparison.rows.copy()
    rows.insert(0, "a", comparison.a)
    rows = rows.assign(correction=comparison.correction, level=comparison.level)
    return str(rows.to_csv(index=False, lineterminator="\n"))


def to_json(comparison: Comparison) -> str:
    """Return all rows and columns of ROWS with methods and notes; missing numbers are null."""
    rows = comparison.rows.astype(object)
    content = {name: getattr(comparison, name) for name in ("a", "others", "correction", "level")}
    content |= {"verdicts": comparison.counts(), "notes": comparison.notes}
    content["rows"] = rows.where(rows.notna(), None).to_dict("records")
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def to_html(comparison: Comparison, page: bool = True) -> str:
    """Return one self-contained page; `page=False` gives its section alone."""
    # here alone: the other formats need no templates
    from reports.style.templates import environment

    template = environment(TEMPLATES).get_template("page.html" if page else "comparison.html")
    shown, notes = texts(comparison), footnotes(comparison)
    return template.render(headline=headline(comparison), shown=shown, notes=notes) + "\n"
