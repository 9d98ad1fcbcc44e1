"""What `bench run` and `bench report` print: the main figures, the audit, the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.terminal.console import console, say
from benchmark.terminal.tables import curves_table, headline_table
from reports.audit.audit import short
from reports.audit.finding import STATUSES
from reports.corruptions.errors import read_corruptions
from reports.corruptions.sentences import summary_lines
from reports.plots.plots import left_out
from reports.results.manifest import read_manifest, squashed_networks
from reports.results.operating_point import operating_points
from reports.results.passes import curves
from reports.results.rows import as_rows
from reports.style.labels import read_labels
from reports.style.numbers import count

if TYPE_CHECKING:
    from benchmark.runs.run import Result

SHOWN_FINDINGS = 8


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
    known = curves(result.table)
    if not known.empty:
        console.print(curves_table(known, labels, console.width))
    show_corruptions(result.directory)
    for text in left_out(result.table, labels):
        say(f"not plotted: {text}")
    for status, part in (("skipped", result.skipped), ("failed", result.failed)):
        for reason, cells in part["reason"].value_counts().items():
            say(f": {reason}", head=f"{status}: {count(cells, 'cell')}", head_style="bold red")
    for proof, reason in result.unproved.items():
        say(f": {proof}: {reason}", head="failed certificate", head_style="bold red")
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
