"""A comparison as a terminal table, CSV, Markdown, JSON or HTML, always with the worst first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from reports.compare.compare import Comparison
from reports.compare.pairing import IDENTITY, describe, records
from reports.results.rows import Row

if TYPE_CHECKING:
    from rich.table import Table

TEMPLATES = Path(__file__).parent / "templates"
_STYLES = {"worse": "bold red", "better": "green", "same": ""}


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


def common(rows: pd.DataFrame) -> str:
    """Return what all cells share, in words; empty if they share nothing."""
    same = [name for name in IDENTITY if len(rows) > 1 and rows[name].nunique(dropna=False) == 1]
    words = [f"{name} {text}" for name in same if (text := describe(rows.iloc[0], [name], False))]
    return ", ".join(words)


def footnotes(comparison: Comparison) -> list[str]:
    """Return what all cells share (tables omit it), the units, and the notes."""
    shared = common(comparison.rows)
    units = "Accuracy in per cent, B - A in percentage points."
    return [*([f"All cells: {shared}."] if shared else []), units, *comparison.notes]


def varying(rows: pd.DataFrame) -> list[str]:
    """Return the columns of IDENTITY in which the rows differ; all of them for a single row."""
    if len(rows) == 1:
        return list(IDENTITY)
    names = [name for name in IDENTITY if rows[name].nunique(dropna=False) > 1]
    one_norm = rows.groupby("attack")["norm"].nunique(dropna=False).le(1).all()
    return [name for name in names if not (name == "norm" and one_norm)]


def texts(comparison: Comparison, limit: int | None = None, merged: bool = False) -> Texts:
    """Return the table as text; `limit` keeps the first rows, `merged` joins a cell's columns."""
    rows = comparison.rows
    cell = varying(rows)
    letter = letters(comparison)
    run = ["run"] if len(letter) > 1 else []
    tests = rows.loc[rows["method"] != "", "method"]
    missing = rows["verdict"].str.startswith("only in")
    after = ["method"] if tests.nunique() > 1 else []
    after += ["remark"] if not merged and (rows.loc[missing, "remark"] != "").any() else []
    after += ["warning"] if not merged and (rows["warning"] != "").any() else []
    named = ["cell"] if merged else cell
    correction = "" if comparison.correction == "none" else f" ({comparison.correction})"
    numbers = ["A %", "B %", "B - A", f"{100 * comparison.level:g} % interval", f"p{correction}"]
    # a step of 0.1 points is one image of a thousand
    digits = 1 if rows[["n_a", "n_b"]].max().max() <= 1000 else 2
    body = [
        [
            row["verdict"].replace("only in B", f"only in {letter[row['b']]}"),
            *(letter[row["b"]] for _ in run),
            *([_label(row, cell)] if merged else (describe(row, [c], False) for c in cell)),
            *_numbers(row, digits),
            *(row[name] for name in after),
        ]
        for row in records(rows.head(len(rows) if limit is None else limit))
    ]
    header = ["verdict", *run, *named, *numbers, *after]
    return Texts(header, body, [name in numbers for name in header])


def _label(row: Row, columns: list[str]) -> str:
    """Return a cell in words, with the reason if a side is missing, and its warning below."""
    missing = row["verdict"].startswith("only in") and row["remark"]
    warned = f"\nwarning: {row['warning']}" if row["warning"] else ""
    return describe(row, columns) + (f" ({row['remark']})" if missing else "") + warned


def as_table(comparison: Comparison, limit: int | None = 40) -> Table:
    """Return a table for rich; `limit` keeps the worst rows, None keeps all."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = texts(comparison, limit, merged=True)
    # Text throughout: a name such as fgsm[eps=0.1] would be read as markup
    title = Text(headline(comparison), style="bold")
    caption = Text("\n".join([*_more(comparison, shown), *footnotes(comparison)]))
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    table.title_justify = table.caption_justify = "left"
    for name, right in zip(shown.header, shown.right, strict=True):
        whole = right or name in ("verdict", "run")
        side: Literal["left", "right"] = "right" if right else "left"
        table.add_column(Text(name), justify=side, no_wrap=whole, overflow="fold")
    for row in shown.rows:
        table.add_row(*map(Text, row), style=_STYLES.get(row[0], "yellow"))
    return table


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


def to_markdown(comparison: Comparison, limit: int | None = None) -> str:
    """Return a table for an issue, a pull request or the summary of a CI step."""
    shown = texts(comparison, limit)
    header, *body = (_line(map(_escaped, row)) for row in (shown.header, *shown.rows))
    rule = _line("---:" if right else "---" for right in shown.right)
    notes = [*_more(comparison, shown), *footnotes(comparison)]
    lines = [_escaped(headline(comparison)), "", header, rule, *body, ""]
    return "\n".join([*lines, *(f"* {_escaped(note)}" for note in notes)]) + "\n"


def to_html(comparison: Comparison, page: bool = True) -> str:
    """Return one self-contained page; `page=False` gives its section alone."""
    # here alone: the other formats need no templates
    from reports.style.templates import environment

    template = environment(TEMPLATES).get_template("page.html" if page else "comparison.html")
    shown, notes = texts(comparison), footnotes(comparison)
    return template.render(headline=headline(comparison), shown=shown, notes=notes) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "csv": to_csv,
    "markdown": to_markdown,
    "json": to_json,
    "html": to_html,
}


def _more(comparison: Comparison, shown: Texts) -> list[str]:
    left_out = len(comparison.rows) - len(shown.rows)
    return [f"{left_out} more cells are omitted here; CSV and JSON have all."] if left_out else []


def _numbers(row: Row, digits: int) -> list[str]:
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


def _line(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|~#&])", r"\\\1", " ".join(text.split()))
