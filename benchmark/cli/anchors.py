"""`bench anchors`."""

from __future__ import annotations

import csv
import io
import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from benchmark.anchors.anchor import MEASURES, SHIPPED, Anchor, load_anchors
from benchmark.anchors.text import COLUMNS, answer, cells, limits, title, used
from benchmark.cli import exit_codes
from benchmark.cli.options import (
    OUT_FILE,
    OUT_FOLDER,
    PATH,
    data_dir,
    parse_count,
    whole_from,
    write_text,
)
from benchmark.execution.environment import default_threads
from benchmark.terminal.console import console, say, styled
from benchmark.terminal.progress_bars import run_progress
from estimators.errors import InputError, unknown

if TYPE_CHECKING:
    from benchmark.anchors.marks import Mark
    from benchmark.execution.progress import Progress

# beside the runs of grids
OUT = Path("reports") / "runs" / "anchors"
COLOURS = {"pass": "green", "fail": "bold red", "open": "cyan", "skipped": "yellow"}


@click.command()
@click.option("--weights-dir", type=PATH, required=True, help="Folder of the published files.")
@click.option("--only", metavar="NAME", help="One network.")
@click.option("--samples", help="Images per check at most.  [default: few where they are many]")
@click.option("--full", is_flag=True, help="All images of all checks: hours. Again: it goes on.")
@click.option(
    "--out",
    type=PATH,
    default=OUT,
    show_default=True,
    callback=OUT_FOLDER,
    help="Folder that keeps what --full has done.",
)
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
    out: Path,
    file: Path | None,
    csv_file: Path | None,
    threads: int | None,
    data_dir: Path | None,
) -> None:
    """Attack networks with known answers.

    Prints what is published, what is proved and what is measured here, with pass or fail. Files
    that are missing are skipped. The exit code is 1 where a check fails.

    --full can be stopped: each 125 images are kept in --out, and the same command goes on with the
    others. A check with images left is open: it passes or fails only where they cannot change that.
    """
    known = load_anchors(file or SHIPPED)
    if only is not None:
        known = [_named(known, only)]
    if not weights_dir.is_dir():
        raise InputError(f"--weights-dir {weights_dir}: no such folder; name one that exists")
    most = None if samples is None else parse_count(samples)
    count = None if most == "all" else most
    marks: list[Mark] = []
    try:
        with run_progress() as progress:
            # only now: they import torch, which takes seconds
            from benchmark.anchors.exam import Sitting, sit
            from benchmark.anchors.kept import opened

            progress.restart()
            with opened(out, full) as kept:
                for note in [] if kept is None else kept.notes():
                    progress.message(f"warning: {note}")
                for number, anchor in enumerate(known):
                    progress.place(f"network {number + 1} of {len(known)}")
                    progress.step(anchor.name)
                    say(f"{anchor.name}: {anchor.about}", style="bold")
                    how = Sitting(
                        count,
                        full,
                        threads or default_threads("cpu"),
                        kept,
                        partial(_within, progress, number, len(known)),
                        partial(_so_far, progress),
                    )
                    for mark in sit(anchor, weights_dir, data_dir, how):
                        marks.append(mark)
                        _show(mark)
    finally:
        # of a command that is stopped, too
        if marks:
            _conclude(marks, csv_file)
    sys.exit(exit_codes.GATE_FAILED if any(m.verdict == "fail" for m in marks) else 0)


def _conclude(marks: list[Mark], csv_file: Path | None) -> None:
    """Print the table of all checks, and write the CSV file."""
    console.print(_table(marks))
    counts = {verdict: sum(m.verdict == verdict for m in marks) for verdict in COLOURS}
    shown = (f"{count} {name}" for name, count in counts.items() if count or name != "open")
    say(", ".join(shown))
    if csv_file is not None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(cells(mark) for mark in marks)
        write_text(out.getvalue(), csv_file)


def _so_far(progress: Progress, mark: Mark) -> None:
    """Tell where a check of many pieces stands."""
    if mark.n < mark.count:
        unit = MEASURES[mark.check.measure]
        about = f"{answer(mark)}{unit} of {used(mark)}"
        progress.step(f"{mark.anchor.name}, {title(mark.check)}: {about}")


def _within(progress: Progress, number: int, count: int, share: float) -> None:
    """Tell the share of all networks, of which one is at a share of its own."""
    progress.share((number + share) / count)


def _named(known: list[Anchor], name: str) -> Anchor:
    for anchor in known:
        if anchor.name.lower() == name.lower():
            return anchor
    raise unknown("network of --only", name, [anchor.name for anchor in known])


def _show(mark: Mark) -> None:
    """Print one check as it ends."""
    what, unit = title(mark.check), MEASURES[mark.check.measure]
    ours = "" if math.isnan(mark.ours) else f" {mark.ours:.4g}{unit}"
    if mark.ours == mark.ours and mark.n < mark.count:
        ours = f" {answer(mark)}{unit} of {used(mark)}"
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
        row = *known, answer(mark), used(mark)
        table.add_row(*map(styled, row), styled(mark.verdict, COLOURS[mark.verdict]))
    return table
