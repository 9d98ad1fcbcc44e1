"""What `bench list` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from benchmark.terminal.console import console

if TYPE_CHECKING:
    from benchmark.cli.catalogue import Row


def show_catalogue(catalogue: Mapping[str, Sequence[Row]]) -> None:
    """Print everything that a grid can name, one line each."""
    for title, rows in catalogue.items():
        table = Table(title=title, title_justify="left", show_edge=False, title_style="bold")
        table.add_column("name", no_wrap=True)
        for name in ("summary", "size" if title == "grids" else "parameters"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
        console.print()
