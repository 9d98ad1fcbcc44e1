"""`bench paper`."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.cli import exit_codes
from benchmark.cli.console import console, say
from benchmark.cli.options import PATH, data_dir, device, seed_option
from benchmark.cli.progress_bars import run_progress
from benchmark.studies.paper import Paper, run_paper
from reports.claims.evaluate import CLAIMS, WHOLE

STYLES = {"supported": "green", "contradicted": "red", "undecided": "yellow"}


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes: a few minutes, for a first look.")
@seed_option
@click.option("--out", type=PATH, help="Run directory.")
@data_dir
@device
def paper(**options: Any) -> None:
    """Reproduce the paper.

    Runs its grid and its studies, and gives a verdict on each of its claims.

    The same command again continues: stored cells, trained networks and finished studies are
    reused.
    """
    with run_progress() as progress:
        result = run_paper(progress=progress, **options)
    _show(result)
    failed = len(result.failed) + len(result.grid.failed)
    sys.exit(exit_codes.of_run(failed, len(result.skipped) + len(result.grid.skipped)))


def _show(paper: Paper) -> None:
    """Print the verdict on each claim, what is missing, and where the files are."""
    table = Table(box=SIMPLE_HEAD, title="claims of the paper", title_justify="left")
    for name in ("claim", "attacker", "what it says", "verdict", "parts"):
        table.add_column(name, no_wrap=name != "what it says")
    texts = {claim.number: claim.text for claim in CLAIMS}
    whole = paper.claims[paper.claims["part"] == WHOLE]
    for row in whole.to_dict("records"):
        verdict = f"[{STYLES[row['verdict']]}]{row['verdict']}[/]"
        parts = row["measured"].replace(" parts supported", "")
        table.add_row(row["claim"], row["attacker"], texts[row["claim"]], verdict, parts)
    console.print(table)
    for name, reason in paper.skipped.items():
        say(f"skipped: study {name}: {reason}", style="bold red")
    for name, reason in paper.failed.items():
        say(f"failed: study {name}: {reason}", style="bold red")
    say(f"{paper.directory}: claims.csv, studies/, results.csv, report.html")
