"""`bench check`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from benchmark.cli import exit_codes
from benchmark.cli.gates import gate_files, show_verdicts, write_gate_files
from benchmark.cli.options import PATH, warn_unfinished
from reports.gates.check import check_run
from reports.gates.verdicts import sections, suites
from reports.results.columns import RESULTS

REQUIRE_HELP = "A requirement: 'COLUMN>=NUMBER where COLUMN=VALUE'. Repeatable."
POINT_HELP = "Decide by the estimate, not by the end of its interval."


@click.command()
@click.argument("run", type=PATH)
@click.option("--require", multiple=True, metavar="TEXT", help=REQUIRE_HELP)
@click.option("--point", is_flag=True, help=POINT_HELP)
@gate_files
def check(
    run: Path,
    require: tuple[str, ...],
    point: bool,
    junit: Path | None,
    markdown: Path | None,
    sarif: Path | None,
) -> None:
    """Check that a run meets requirements.

    RUN is a run directory or a results CSV. Example: --require 'accuracy>=0.45 where
    attack=autoattack'. Without --require, the requirements of the grid file (`require:`) are
    checked. The exit code is 1 if a row does not meet its requirement.
    """
    verdicts = check_run(run, require, point)
    warn_unfinished(run)
    table = str(run / RESULTS if run.is_dir() else run)
    parts = partial(suites, verdicts, table), partial(sections, verdicts, str(run))
    write_gate_files(f"bench check {run}", *parts, junit, markdown, sarif)
    sys.exit(0 if show_verdicts(verdicts) else exit_codes.GATE_FAILED)
