"""What `bench list` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from benchmark.terminal.console import console, say, styled
from reports.style.table_text import TextTable

if TYPE_CHECKING:
    from benchmark.cli.catalogue import Kind, Row


def show_kinds(kinds: Mapping[str, Kind]) -> None:
    """Print the kinds of names, a line each."""
    table = Table(show_edge=False, box=None)
    table.add_column("kind", no_wrap=True)
    table.add_column("names", justify="right")
    table.add_column("what they are", overflow="fold")
    for name, kind in kinds.items():
        table.add_row(styled(name, "bold"), str(kind.count()), styled(kind.summary))
    console.print(table)
    say("")
    say("`bench list KIND` shows the names of one kind, such as `bench list attacks`.")
    say("`bench list --attack foolbox:` shows the attacks of a library.")


def show_rows(title: str, rows: Sequence[Row]) -> None:
    """Print the names of one kind: each with its summary, and its parameters below."""
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column(f"summary and {'size' if title == 'grids' else 'parameters'}", overflow="fold")
    for name, summary, parameters in rows:
        about = styled(summary)
        if parameters:
            about.append_text(styled(("\n" if summary else "") + parameters, "dim"))
        table.add_row(styled(name), about)
    console.print(table)


def as_text_table(title: str, rows: Sequence[Row]) -> TextTable:
    """Return the names of one kind as a table for other programs."""
    return TextTable(
        ["name", "summary", "size" if title == "grids" else "parameters"], rows, [False] * 3
    )
