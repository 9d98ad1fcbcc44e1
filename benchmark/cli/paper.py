"""`bench paper`."""

from __future__ import annotations

import sys
from typing import Any

import click

from benchmark.cli import exit_codes
from benchmark.cli.options import PATH, data_dir, device
from benchmark.cli.progress_bars import run_progress
from benchmark.cli.show_paper import show_paper
from benchmark.studies.paper import run_paper


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes: a few minutes, for a first look.")
@click.option("--seed", type=int, default=0, show_default=True)
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
    show_paper(result)
    failed = len(result.failed) + len(result.grid.failed)
    sys.exit(exit_codes.of_run(failed, len(result.skipped) + len(result.grid.skipped)))
