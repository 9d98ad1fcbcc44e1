"""What `bench run` and `bench report` print: the main figures, the audit, the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from benchmark.terminal.console import console, say
from reports.audit.audit import short
from reports.audit.finding import STATUSES
from reports.corruptions.errors import read_corruptions
from reports.corruptions.sentences import summary_lines
from reports.results.manifest import read_manifest, squashed_networks
from reports.results.operating_point import operating_points
from reports.results.passes import curves
from reports.results.rows import as_rows
from reports.style.labels import Labels, read_labels

if TYPE_CHECKING:
    from benchmark.runs.run import Result

SHOWN_FINDINGS = 8
SHOWN_CURVES, SHOWN_PASSES = 12, (10, 50, 200, 1000, 2000, 10_000)


def show_result(result: Result) -> None:
    """Print the main figures of a run, what is missing from it, and where its files are."""
    show_squashed(result.directory)
    rows = operating_points(result.table, read_labels(result.directory).threats)
    if len(rows):
        console.print(_headline_table(rows))
    _show_curves(result.table, read_labels(result.directory))
    show_corruptions(result.directory)
    for status, part in (("skipped", result.skipped), ("failed", result.failed)):
        for reason, count in part["reason"].value_counts().items():
            console.print(f"[bold red]{status}: {count} cells[/]: ", end="")
            say(reason)
    for proof, reason in result.unproved.items():
        console.print("[bold red]failed certificate[/]: ", end="")
        say(f"{proof}: {reason}")
    _show_notes(result.directory)
    show_audit(result.findings)
    if result.reused:
        say(f"reused {result.reused} of {len(result.table)} cells")
    say(f"results in {result.directory}:")
    for path in sorted(result.directory.iterdir()):
        if path.suffix in (".csv", ".json", ".parquet", ".html", ".log"):
            say(f"  {path.name}")
        elif path.is_dir():
            say(f"  {path.name}/ ({len(list(path.iterdir()))} files)")


def show_corruptions(directory: Path) -> None:
    """Print the mean corruption error of each network and defence, one line each."""
    table = read_corruptions(directory)
    for line in () if table is None else summary_lines(table, read_labels(directory)):
        say(line)


def show_squashed(directory: Path) -> None:
    """Print one line for each network whose outputs are squashed, before any number."""
    for network, text in squashed_networks(read_manifest(directory)).items():
        say(f"warning: {network}: {text}", style="bold yellow")


def _show_curves(table: pd.DataFrame, labels: Labels) -> None:
    """Print accuracy against passes, of the attacks that count them image by image."""
    known = curves(table)
    if known.empty:
        return
    shown = Table(title="accuracy after so many passes per image", title_justify="left",
                  box=SIMPLE_HEAD)  # fmt: skip
    for name in ("network", "attack", "attacker, defence"):
        shown.add_column(name, overflow="fold")
    marks = [p for p in SHOWN_PASSES if p <= known["passes"].max()]
    for passes in marks:
        shown.add_column(f"{passes:,}", justify="right", no_wrap=True)
    for _, cell in list(known.groupby("cell", sort=False))[:SHOWN_CURVES]:
        first = as_rows(cell[:1])[0]
        eps = "" if first["eps"] is None else f" {first['eps']:.3g}"
        reached = [cell[cell["passes"] <= p]["accuracy"].iloc[-1] for p in marks]
        defence = labels.defence(first["defence"], first["quality"])
        texts = [f"{first['dataset']}/{first['network']}", f"{first['attack']}{eps}"]
        texts.append(f"{labels.threat(first['threat'])}, {defence}")
        shown.add_row(*map(escape, texts), *(f"{accuracy:.3g}" for accuracy in reached))
    console.print(shown)


def _show_notes(directory: Path) -> None:
    """Print what a user should know of the data sets: the order of classes, what was left out."""
    data = read_manifest(directory).get("data", {})
    for dataset, about in data.items() if isinstance(data, dict) else ():
        for note in about.get("notes", ()):
            say(f"{dataset}: {note}")


def show_audit(findings: pd.DataFrame) -> None:
    """Print how the sanity checks ended, with one line per failure or warning."""
    counts = findings["status"].value_counts()
    totals = ", ".join(f"{counts[s]} {s}" for s in STATUSES if s in counts)
    say(f"sanity checks: {totals or 'none'}")
    lines = short(findings)
    for line in lines[:SHOWN_FINDINGS]:
        say(line, style="bold red" if line.startswith("fail") else "yellow")
    if len(lines) > SHOWN_FINDINGS:
        say(f"and {len(lines) - SHOWN_FINDINGS} more in audit.csv")


def _headline_table(rows: pd.DataFrame) -> Table:
    table = Table(
        title="accuracy at the smallest eps that halves that of the bare network",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("network", "attack"):
        table.add_column(name, overflow="fold")  # in a narrow terminal, numbers stay whole
    for name in ("eps", "clean", "bare", "JPEG,\noblivious", "JPEG,\nadaptive"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        network = f"{row.pop('dataset')}/{row.pop('network')}"
        # rich takes brackets for markup
        table.add_row(escape(network), *(escape(_format(value)) for value in row.values()))
    return table


def _format(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return str(value)
