"""`bench paper`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.cli import exit_codes
from benchmark.cli.options import (
    OUT_FOLDER,
    PATH,
    REPLACE_HELP,
    data_dir,
    device,
    parse_count,
    seed_option,
)
from benchmark.terminal.console import console, say, styled
from benchmark.terminal.progress_bars import run_progress

if TYPE_CHECKING:
    from benchmark.studies.paper import Paper

STYLES = {"supported": "green", "contradicted": "red", "undecided": "yellow"}


@click.command()
@click.option(
    "--quick", is_flag=True, help="Small sizes: minutes, for a look and not for the verdicts."
)
@click.option("--photos", is_flag=True, help="The paper's open question: photos of 224 pixels.")
@click.option("--samples", help="Images per cell and study, or all.  [default: their own]")
@seed_option
@click.option("--out", type=PATH, callback=OUT_FOLDER, help="Run directory.")
@click.option("--replace", is_flag=True, help=REPLACE_HELP)
@data_dir
@device
def paper(samples: str | None, **options: Any) -> None:
    """Reproduce the paper.

    Runs its grid and its studies, and gives a verdict on each of its claims. If a data set cannot
    be downloaded, its rows are marked `skipped`.

    --quick takes about five minutes on two cores. It uses few images and trains each network once,
    so that it cannot decide some claims; it says which.

    --photos runs the grid and the study `photos` instead. They need the extra photos, and photos in
    the folder `photos` of the data directory (docs/paper.md).

    The same command again continues: stored cells, trained networks and finished studies are
    reused.
    """
    count = None if samples is None else parse_count(samples)
    with run_progress() as progress:
        from benchmark.studies.paper import run_paper

        result = run_paper(progress=progress, samples=count, **options)
    _show(result)
    failed = len(result.failed) + len(result.grid.failed)
    sys.exit(exit_codes.of_run(failed, len(result.skipped) + len(result.grid.skipped)))


def _show(paper: Paper) -> None:
    """Print the verdict on each claim, what is missing, and where the files are."""
    from reports.claims.evaluate import WHOLE
    from reports.claims.quick import quick_note

    table = Table(box=SIMPLE_HEAD, title="claims of the paper", title_justify="left")
    for name in ("claim", "attacker", "what it says", "verdict", "parts"):
        table.add_column(name, no_wrap=name != "what it says")
    whole = paper.claims[paper.claims["part"] == WHOLE]
    for row in whole.to_dict("records"):
        verdict = styled(row["verdict"], STYLES[row["verdict"]])
        parts = row["measured"].replace(" parts supported", "")
        texts = (row["claim"], row["attacker"], row["text"])
        table.add_row(*map(styled, texts), verdict, styled(parts))
    console.print(table)
    note = quick_note(paper.directory)
    if note:
        say(note)
    for name, reason in paper.skipped.items():
        say(f"skipped: study {name}: {reason}", style="bold red")
    for name, reason in paper.failed.items():
        say(f"failed: study {name}: {reason}", style="bold red")
    say(f"{paper.directory}: claims.csv, studies/, results.csv, report.html")
