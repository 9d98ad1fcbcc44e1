"""`bench anchors`."""

from __future__ import annotations

import csv
import io
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from benchmark.anchors.anchor import MEASURES, SHIPPED, Anchor, load_anchors
from benchmark.anchors.text import COLUMNS, cells, limits, title
from benchmark.cli import exit_codes
from benchmark.cli.options import OUT_FILE, PATH, data_dir, parse_count, whole_from, write_text
from benchmark.execution.environment import default_threads
from benchmark.terminal.console import console, say, styled
from estimators.errors import InputError, unknown

if TYPE_CHECKING:
    from benchmark.anchors.exam import Mark

COLOURS = {"pass": "green", "fail": "bold red", "skipped": "yellow"}


@click.command()
@click.option("--weights-dir", type=PATH, required=True, help="Folder of the published files.")
@click.option("--only", metavar="NAME", help="One network.")
@click.option("--samples", help="Images per check at most.  [default: few where they are many]")
@click.option("--full", is_flag=True, help="All images of all checks: hours.")
@click.option("--anchors", "file", type=PATH, help="YAML file of other networks.")
@click.option("--csv", "csv_file", type=PATH, callback=OUT_FILE, help="Write a CSV file.")
@click.option(
    "--threads", type=int, callback=whole_from(1, 1024), help="Threads.  [default: the cores]"
)
@data_dir
def anchors(
    weights_dir: Path,
    only: str | None,
    samples: str | None,
    full: bool,
    file: Path | None,
    csv_file: Path | None,
    threads: int | None,
    data_dir: Path | None,
) -> None:
    """Attack networks with known answers.

    Prints what is published, what is proved and what is measured here, with pass or fail. Files
    that are missing are skipped. The exit code is 1 where a check fails.
    """
    known = load_anchors(file or SHIPPED)
    if only is not None:
        known = [_named(known, only)]
    if not weights_dir.is_dir():
        raise InputError(f"--weights-dir {weights_dir}: no such folder; name one that exists")
    most = None if samples is None else parse_count(samples)
    count = None if most == "all" else most
    # only now: they import torch, which takes seconds
    from benchmark.anchors.exam import sit

    marks: list[Mark] = []
    for anchor in known:
        say(f"{anchor.name}: {anchor.about}", style="bold")
        for mark in sit(
            anchor, weights_dir, data_dir, count, full, threads or default_threads("cpu")
        ):
            marks.append(mark)
            _show(mark)
    console.print(_table(marks))
    counts = {verdict: sum(m.verdict == verdict for m in marks) for verdict in COLOURS}
    say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if csv_file is not None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(cells(mark) for mark in marks)
        write_text(out.getvalue(), csv_file)
    sys.exit(exit_codes.GATE_FAILED if counts["fail"] else 0)


def _named(known: list[Anchor], name: str) -> Anchor:
    for anchor in known:
        if anchor.name.lower() == name.lower():
            return anchor
    raise unknown("network of --only", name, [anchor.name for anchor in known])


def _show(mark: Mark) -> None:
    """Print one check as it ends."""
    what, unit = title(mark.check), MEASURES[mark.check.measure]
    ours = "" if math.isnan(mark.ours) else f" {mark.ours:.4g}{unit}"
    note = f" ({mark.note})" if mark.note else ""
    say(f" {what}:{ours}{note}", head=f"  {mark.verdict}", head_style=COLOURS[mark.verdict])


def _table(marks: list[Mark]) -> Table:
    """Return the table of all checks that were done."""
    table = Table("network", "check", show_edge=False)
    for column in ("published", "proved", "ours", "images"):
        table.add_column(column, justify="right")
    table.add_column("")
    for mark in (m for m in marks if not math.isnan(m.ours)):
        check = mark.check
        known = mark.anchor.name, title(check), f"{check.published:g}", limits(check.proved)
        row = *known, f"{mark.ours:.4g}", f"{mark.n:,}"
        table.add_row(*map(styled, row), styled(mark.verdict, COLOURS[mark.verdict]))
    return table
