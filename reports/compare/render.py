"""A comparison as a terminal table, CSV, Markdown, JSON or HTML; in all of them the worst first."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from reports.compare.compare import Comparison
from reports.compare.pairing import IDENTITY, describe

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"worse": "bold red", "better": "green", "same": ""}


class Texts(NamedTuple):
    """A comparison as text. header and rows of one length; right: which columns hold numbers."""

    header: list[str]
    rows: list[list[str]]
    right: list[bool]


def letters(comparison: Comparison) -> dict[str, str]:
    """A letter for each compared run, from B on: names can be long paths."""
    given = [*ascii_uppercase[1:], *(f"run {i}" for i in range(26, len(comparison.others) + 1))]
    return dict(zip(dict.fromkeys(comparison.others), given, strict=False))


def headline(comparison: Comparison) -> str:
    """One line: which runs, and how many cells have which verdict."""
    counts = [f"{n} {verdict}" for verdict, n in comparison.counts().items() if n]
    names = [f"A = {comparison.a}", *(f"{v} = {k}" for k, v in letters(comparison).items())]
    return f"{', '.join(names)}: {', '.join(counts) or 'no cells'}"


def common(rows: pd.DataFrame) -> str:
    """What all cells share, in words; empty where they share nothing."""
    same = [name for name in IDENTITY if len(rows) > 1 and rows[name].nunique(dropna=False) == 1]
    words = [f"{name} {text}" for name in same if (text := describe(rows.iloc[0], [name], False))]
    return ", ".join(words)


def footnotes(comparison: Comparison) -> list[str]:
    """What all cells share (tables leave it out), the units, and the notes."""
    shared = common(comparison.rows)
    return [
        *([f"All cells: {shared}."] if shared else []),
        "Accuracy in per cent, B - A in percentage points.",
        *comparison.notes,
    ]


def varying(rows: pd.DataFrame) -> list[str]:
    """The columns of IDENTITY that tell the rows apart; all of them where there is one row."""
    if len(rows) == 1:
        return list(IDENTITY)
    names = [name for name in IDENTITY if rows[name].nunique(dropna=False) > 1]
    one_norm = rows.groupby("attack")["norm"].nunique(dropna=False).le(1).all()
    return [name for name in names if not (name == "norm" and one_norm)]


def texts(comparison: Comparison, limit: int | None = None, merged: bool = False) -> Texts:
    """The table for reading; `limit` keeps the first rows, `merged` puts a cell in one column."""
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
        for row in rows.head(len(rows) if limit is None else limit).to_dict("records")
    ]
    header = ["verdict", *run, *named, *numbers, *after]
    return Texts(header, body, [name in numbers for name in header])


def _label(row: Mapping[Any, Any], columns: list[str]) -> str:
    """A cell in words, with the reason where a side is missing, and its warning below it."""
    missing = row["verdict"].startswith("only in") and row["remark"]
    warned = f"\nwarning: {row['warning']}" if row["warning"] else ""
    return describe(row, columns) + (f" ({row['remark']})" if missing else "") + warned


def as_table(comparison: Comparison, limit: int | None = 40) -> Table:
    """A table for rich; `limit` keeps the worst rows, None keeps all."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = texts(comparison, limit, merged=True)
    # Text throughout: a name such as fgsm[eps=0.1] would be read as markup
    table = Table(
        title=Text(headline(comparison), style="bold"),
        title_justify="left",
        caption=Text("\n".join([*_more(comparison, shown), *footnotes(comparison)])),
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    for name, right in zip(shown.header, shown.right, strict=True):
        table.add_column(
            Text(name),
            justify="right" if right else "left",
            no_wrap=right or name in ("verdict", "run"),
            overflow="fold",
        )
    for row in shown.rows:
        table.add_row(*map(Text, row), style=_STYLES.get(row[0], "yellow"))
    return table


def to_csv(comparison: Comparison) -> str:
    """All rows and columns of ROWS, preceded by A, with the correction and the level."""
    rows = comparison.rows.copy()
    rows.insert(0, "a", comparison.a)
    rows = rows.assign(correction=comparison.correction, level=comparison.level)
    return str(rows.to_csv(index=False, lineterminator="\n"))


def to_json(comparison: Comparison) -> str:
    """All rows and columns of ROWS, with what was done; missing numbers are null."""
    rows = comparison.rows.astype(object)
    content = {
        "a": comparison.a,
        "others": comparison.others,
        "correction": comparison.correction,
        "level": comparison.level,
        "verdicts": comparison.counts(),
        "notes": comparison.notes,
        "rows": rows.where(rows.notna(), None).to_dict("records"),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def to_markdown(comparison: Comparison, limit: int | None = None) -> str:
    """A table for an issue, a pull request or the summary of a CI step."""
    shown = texts(comparison, limit)
    lines = [
        _escaped(headline(comparison)),
        "",
        _line(map(_escaped, shown.header)),
        _line("---:" if right else "---" for right in shown.right),
        *(_line(map(_escaped, row)) for row in shown.rows),
        "",
        *(f"* {_escaped(note)}" for note in [*_more(comparison, shown), *footnotes(comparison)]),
    ]
    return "\n".join(lines) + "\n"


def to_html(comparison: Comparison, page: bool = True) -> str:
    """One self-contained page; `page=False` gives the section alone, to be put into another."""
    shown = texts(comparison)

    def row(row: Iterable[str], tag: str, scope: str = "") -> str:
        return "".join(
            f"<{tag}{scope}{' class=number' if right else ''}>{html.escape(text)}</{tag}>"
            for text, right in zip(row, shown.right, strict=True)
        )

    lines = [
        '<section class="comparison">',
        f"<p>{html.escape(headline(comparison))}</p>",
        '<div class="wide" tabindex="0" role="region" aria-label="Cells compared"><table>',
        f"<thead><tr>{row(shown.header, 'th', ' scope=col')}</tr></thead>",
        "<tbody>",
        *(f'<tr class="{r[0].split()[0]}">{row(r, "td")}</tr>' for r in shown.rows),
        "</tbody></table></div>",
        "<ul>",
        *(f"<li>{html.escape(note)}</li>" for note in footnotes(comparison)),
        "</ul>",
        "</section>",
    ]
    section = "\n".join(lines) + "\n"
    return _PAGE.replace("{section}", section) if page else section


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "csv": to_csv,
    "markdown": to_markdown,
    "json": to_json,
    "html": to_html,
}


def _more(comparison: Comparison, shown: Texts) -> list[str]:
    left_out = len(comparison.rows) - len(shown.rows)
    return [f"{left_out} more cells are left out here; CSV and JSON have all."] if left_out else []


def _numbers(row: Mapping[Any, Any], digits: int) -> list[str]:
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


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of runs</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 90rem;
  padding: 0 1rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; }
.number { text-align: right; white-space: nowrap; }
.worse td:first-child { font-weight: bold; color: light-dark(#a3341b, #ff9e80); }
.better td:first-child { color: light-dark(#0b5cad, #8ec5ff); }
.only td:first-child { font-style: italic; }
</style>
</head>
<body>
<h1>Comparison of runs</h1>
{section}</body>
</html>
"""
