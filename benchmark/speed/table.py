"""The table of `bench speed`, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.speed.timing import Measured
from benchmark.terminal.console import styled

HEADINGS = ("work", "here", "compared with", "there", "times", "goal", "floor", "same")
LEFT = ("work", "compared with", "same")


def speed_table(lines: Sequence[Measured]) -> Table:
    """Return the lines as a table that a terminal of 80 columns has room for."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in LEFT else "right")
    for line in lines:
        table.add_row(*(styled(text) for text in cells(line)))
    return table


def speed_markdown(lines: Sequence[Measured], machine: str) -> str:
    """Return the lines as a Markdown table below the name of the machine."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *map(cells, lines)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{machine}\n\n{text}\n"


def cells(line: Measured) -> tuple[str, ...]:
    """Return the texts of a row, in the order of HEADINGS.

    The floor is said as the times that the work takes as long as its passes alone.
    """
    goal = "" if line.goal is None else f"{line.goal:g}"
    same = {True: "yes", False: "no", None: ""}[line.same]
    times = seconds(line.ours), line.rival, seconds(line.theirs), f"{line.ratio:.3g}"
    floor = "" if line.floor is None else f"{line.ours / line.floor:.3g}"
    return line.work, *times, goal, floor, same


def seconds(value: float) -> str:
    """Return a duration with its unit and three digits."""
    return f"{value:.3g} s" if value >= 0.1 else f"{value * 1e3:.3g} ms"
