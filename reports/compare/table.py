"""A comparison in a terminal: the rows that differ, and one line for each group of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from reports.compare.compare import Comparison
from reports.compare.missing import Group, missing
from reports.compare.pairing import records
from reports.compare.render import (
    digits_of,
    footnotes,
    headline,
    letters,
    number_columns,
    number_texts,
    varying,
    verdict_text,
)
from reports.results.rows import Row
from reports.style.cell_names import describe, fitted

STYLES = {"worse": "bold red", "better": "green", "same": ""}
_MISSING = "yellow"
# a cell in fewer characters than this is shown above its numbers
_NARROWEST = 40
# names in the lines below the table are cut to this
_LONGEST = 40
_GAP = "  "
# groups of missing rows that are named
MOST_GROUPS = 12


class Line(NamedTuple):
    """A line of text and its style in the terminal."""

    text: str
    style: str = ""


def as_lines(
    comparison: Comparison, width: int, limit: int | None = 40, every: bool = False
) -> list[Line]:
    """Return a comparison in lines that fit a terminal.

    width: of the terminal, in characters. limit: the rows that are shown, the worst ones; None for
    all. every: show the rows without a difference and the missing ones, too, one by one.
    """
    rows = comparison.rows if every else differing(comparison.rows)
    chosen = rows.head(len(rows) if limit is None else limit)
    lines = [Line(headline(comparison), "bold"), Line("")]
    if len(chosen):
        lines += [*_table(comparison, chosen, width), Line("")]
    if len(chosen) < len(rows):
        more = "--all shows all" if limit is not None and not every else "CSV and JSON have all"
        lines.append(Line(f"and {len(rows) - len(chosen):,} more rows; {more}"))
    if not every:
        lines += [Line(text, _MISSING) for text in missing_lines(comparison, _LONGEST)]
        lines += [Line(text) for text in rest_lines(comparison)]
    return [*lines, *(Line(text) for text in footnotes(comparison))]


def differing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a comparison that are worse or better."""
    return rows[rows["verdict"].isin(["worse", "better"])]


def missing_lines(comparison: Comparison, most: int = 0) -> list[str]:
    """Return the rows that one side lacks, a line for each data set and network.

    most: the characters of a name, which is cut in the middle; 0 for all.
    """
    letter = letters(comparison)
    lines = []
    for verdict in ("only in A", "only in B"):
        groups = missing(comparison.rows, verdict, comparison.labels, most)
        lines += [
            f"{_side(verdict, group, letter)}: {group.text}" for group in groups[:MOST_GROUPS]
        ]
        if rest := groups[MOST_GROUPS:]:
            count = sum(group.count for group in rest)
            lines.append(f"{verdict}: {count:,} more rows in {len(rest)} more groups")
    return lines


def rest_lines(comparison: Comparison) -> list[str]:
    """Return one line for the rows without a difference; none if there are no such rows."""
    same = comparison.rows[comparison.rows["verdict"] == "same"]
    if same.empty:
        return []
    start = f"same: {len(same):,} row{'s show' if len(same) > 1 else ' shows'} no difference"
    moved = same[same["difference"] != 0]
    if moved.empty:
        return [f"{start}, and equal accuracies"]
    (most,) = records(moved.loc[[moved["difference"].abs().idxmax()]])
    by = number_texts(most, digits_of(same))[2]
    what = describe(most, varying(comparison.rows), comparison.labels)
    return [f"{start}; {len(moved):,} accuracies moved, at most by {by} points ({what})"]


def _side(verdict: str, group: Group, letter: dict[str, str]) -> str:
    """Return which side has the rows; with several runs also which one lacks them."""
    if verdict == "only in B":
        return f"only in {letter[group.b]}"
    return f"{verdict}, not in {letter[group.b]}" if len(letter) > 1 else verdict


def _table(comparison: Comparison, rows: pd.DataFrame, width: int) -> Iterator[Line]:
    """Yield the rows as a table where it fits, else each cell above its numbers."""
    letter, columns = letters(comparison), varying(comparison.rows)
    digits, head = digits_of(rows), number_columns(comparison)
    several = len(letter) > 1
    items = records(rows)
    verdicts = [verdict_text(row, letter) for row in items]
    before = [
        [v, letter[row["b"]]] if several else [v] for v, row in zip(verdicts, items, strict=True)
    ]
    numbers = [number_texts(row, digits) for row in items]
    first = _widths([["verdict", "run"][: 1 + several], *before])
    last = _widths([head, *numbers])
    room = width - sum(first) - sum(last) - len(_GAP) * (len(first) + len(last))
    if room < _NARROWEST:
        yield from _stacked(comparison, items, before, numbers, columns, width)
        return
    cells = [fitted(row, room, columns, comparison.labels) for row in items]
    wide = max(map(len, [*cells, "row"]))

    def line(start: list[str], cell: str, end: list[str]) -> str:
        left = [text.ljust(n) for text, n in zip(start, first, strict=True)]
        right = [text.rjust(n) for text, n in zip(end, last, strict=True)]
        return _GAP.join([*left, cell.ljust(wide), *right]).rstrip()

    title = line(["verdict", "run"][: 1 + several], "row", head)
    yield Line(title, "bold")
    yield Line("─" * len(title))
    for row, start, cell, end in zip(items, before, cells, numbers, strict=True):
        yield Line(line(start, cell, end), STYLES.get(row["verdict"], _MISSING))
        if extra := _extra(row):
            yield Line(f"{' ' * (sum(first) + len(_GAP) * len(first))}{extra}", _MISSING)


def _stacked(
    comparison: Comparison,
    items: list[Row],
    before: list[list[str]],
    numbers: list[list[str]],
    columns: list[str],
    width: int,
) -> Iterator[Line]:
    indent = max(len(" ".join(start)) for start in before) + len(_GAP)
    for row, start, (a, b, by, interval, p) in zip(items, before, numbers, strict=True):
        style = STYLES.get(row["verdict"], _MISSING)
        cell = fitted(row, width - indent, columns, comparison.labels)
        yield Line(f"{' '.join(start):{indent}}{cell}", style)
        if by:
            text = f"{a} to {b} %: {by} points ({interval}), p {p}"
            yield Line(f"{'':{indent}}{text}", style)
        elif one := a or b:
            yield Line(f"{'':{indent}}{one} %", style)
        if extra := _extra(row):
            yield Line(f"{'':{indent}}{extra}", _MISSING)


def _extra(row: Row) -> str:
    """Return why a side is missing, or why the two are not comparable."""
    if row["warning"]:
        return f"warning: {row['warning']}"
    return str(row["remark"]) if row["verdict"].startswith("only in") else ""


def _widths(lines: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]
