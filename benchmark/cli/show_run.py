"""What `bench run` and `bench report` print: the main figures, the audit, the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.terminal.console import console, say, styled
from benchmark.terminal.tables import curves_table, headline_table
from reports.audit.audit import short
from reports.audit.finding import STATUSES
from reports.classes.summary import by_cell
from reports.corruptions.errors import read_corruptions
from reports.corruptions.sentences import summary_lines
from reports.results.manifest import read_manifest, squashed_networks
from reports.results.operating_point import operating_points
from reports.results.passes import curves
from reports.results.rows import as_rows
from reports.style.labels import read_labels
from reports.style.numbers import count

if TYPE_CHECKING:
    from benchmark.runs.finished.result import Result
    from reports.style.table_text import TextTable

SHOWN_FINDINGS, SHOWN_ROWS = 8, 100


def show_result(result: Result) -> None:
    """Print the main figures of a run, what is missing from it, and where its files are."""
    labels = read_labels(result.directory)
    title = read_manifest(result.directory).get("title")
    if title:
        say(title, style="bold")
    show_squashed(result.directory)
    points = as_rows(operating_points(result.table, labels.threats))
    if points:
        console.print(headline_table(points, labels, console.width))
    elif (result.table["status"] == "ok").any() and read_corruptions(result.directory) is None:
        # no undefended network to compare with
        show_cells(by_cell(result.directory, ""))
    known = curves(result.table)
    if not known.empty:
        console.print(curves_table(known, labels, console.width))
    show_corruptions(result.directory)
    for text in result.unplotted:
        say(f"not plotted: {text}")
    for status, part in (("skipped", result.skipped), ("failed", result.failed)):
        for reason, cells in part["reason"].value_counts().items():
            text = labels.in_text(str(reason))
            say(f": {text}", head=f"{status}: {count(cells, 'cell')}", head_style="bold red")
    for proof, reason in result.unproved.items():
        text = labels.in_text(reason)
        say(f": {proof}: {text}", head="failed certificate", head_style="bold red")
    _show_notes(result.directory)
    show_audit(result.findings, result.directory)
    if result.reused:
        say(f"reused {result.reused} of {len(result.table)} cells")
    say(f"results in {result.directory}:")
    for path in sorted(result.directory.iterdir()):
        if path.suffix in (".csv", ".json", ".parquet", ".html", ".log"):
            say(f"  {path.name}")
        elif path.is_dir():
            say(f"  {path.name}/ ({count(len(list(path.iterdir())), 'file')})")


def show_cells(table: TextTable) -> None:
    """Print the rows of a run: its first SHOWN_ROWS."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, right in zip(table.header, table.right, strict=True):
        # numbers stay whole in a narrow terminal
        whole = right and name != "eps"
        heading = "\n".join(name.rsplit(" ", 1)) if whole else name
        justify: Literal["left", "right"] = "right" if right else "left"
        shown.add_column(heading, justify=justify, overflow="fold", no_wrap=whole)
    for row in table.rows[:SHOWN_ROWS]:
        shown.add_row(*map(styled, row))
    console.print(shown)
    if len(table.rows) > SHOWN_ROWS:
        more = len(table.rows) - SHOWN_ROWS
        say(f"{more:,} more rows; bench summary --format csv prints all of them")
    for note in table.notes:
        say(note)


def show_corruptions(directory: Path) -> None:
    """Print the mean corruption error of each network and defence, one line each."""
    table = read_corruptions(directory)
    for line in () if table is None else summary_lines(table, read_labels(directory)):
        say(line)


def show_squashed(directory: Path) -> None:
    """Print one line for each network whose outputs are squashed, before any number."""
    labels = read_labels(directory)
    for place, text in squashed_networks(read_manifest(directory)).items():
        say(f"warning: {labels.pair(place)}: {text}", style="bold yellow")


def _show_notes(directory: Path) -> None:
    """Print what a user should know of the data sets: the order of classes, what was left out."""
    data = read_manifest(directory).get("data", {})
    for dataset, about in data.items() if isinstance(data, dict) else ():
        for note in about.get("notes", ()):
            say(f"{read_labels(directory).dataset(dataset)}: {note}")


def show_audit(findings: pd.DataFrame, directory: Path) -> None:
    """Print how the sanity checks of a run ended, with one line per failure or warning."""
    counts = findings["status"].value_counts()
    totals = ", ".join(f"{counts[s]} {s}" for s in STATUSES if s in counts)
    say(f"sanity checks: {totals or 'none'}")
    lines = short(findings, labels=read_labels(directory))
    for line in lines[:SHOWN_FINDINGS]:
        say(line, style="bold red" if line.startswith("fail") else "yellow")
    if len(lines) > SHOWN_FINDINGS:
        say(f"and {len(lines) - SHOWN_FINDINGS} more in audit.csv")
