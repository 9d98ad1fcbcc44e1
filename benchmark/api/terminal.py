"""A summary as a table in the terminal."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmark.api.summary import Summary
from benchmark.terminal.console import PlainConsole, console, styled

# of text that no terminal shows: that of `repr` in a file or a log
WIDTH = 100
# the longest word that is not broken, and what stands between two columns
WORDS, GAP = 12, 2


def print_summary(summary: Summary, target: Console = console) -> None:
    """Print a summary; columns that are optional only where there is room."""
    if summary.title:
        target.print(styled(summary.title, "bold"), soft_wrap=True)
    if summary.rows:
        target.print(_table(summary, target.width))
    for text in (summary.caption, *summary.notes, summary.files):
        if text:
            style = "yellow" if text in summary.notes else ""
            target.print(styled(text, style), soft_wrap=True)


def _table(summary: Summary, width: int) -> Table:
    """Return the table: numbers are whole, and texts are broken between words where they must."""
    cells = [
        [column.title, *(row[at] for row in summary.rows)]
        for at, column in enumerate(summary.columns)
    ]
    shown = list(range(len(cells)))
    if _width(cells, shown) > width:
        shown = [at for at in shown if not summary.columns[at].optional]
    least = [_longest(cells[at], summary.columns[at].is_number) for at in range(len(cells))]
    fits = sum(least[at] + GAP for at in shown) <= width
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for at in shown:
        is_number = summary.columns[at].is_number
        table.add_column(
            styled(cells[at][0]),
            justify="right" if is_number else "left",
            no_wrap=is_number and fits,
            overflow="fold",
            min_width=least[at] if fits else None,
        )
    for row in summary.rows:
        table.add_row(*(styled(row[at]) for at in shown))
    return table


def _width(cells: list[list[str]], shown: list[int]) -> int:
    """Return the width of columns whose texts are whole."""
    return sum(max(map(len, cells[at])) + GAP for at in shown)


def _longest(texts: list[str], whole: bool) -> int:
    """Return the length of the longest text, or of the longest word of at most WORDS."""
    if whole:
        return max(map(len, texts))
    return min(WORDS, max((len(word) for text in texts for word in text.split()), default=1))


def summary_text(summary: Summary) -> str:
    """Return a summary as text without colours."""
    file = io.StringIO()
    width = console.width if console.is_terminal else WIDTH
    plain = PlainConsole(
        file=file, width=width, color_system=None, force_terminal=False, force_jupyter=False
    )
    print_summary(summary, plain)
    return file.getvalue().rstrip("\n")
