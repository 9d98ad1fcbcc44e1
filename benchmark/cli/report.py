"""`bench report`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from benchmark.cli import exit_codes
from benchmark.cli.gates import gate_files, write_gate_files
from benchmark.cli.options import PATH, warn_unfinished
from benchmark.cli.show_run import show_audit, show_corruptions, show_squashed
from benchmark.runs.lock import refuse_if_held
from benchmark.terminal.console import say
from benchmark.terminal.progress_bars import run_progress
from estimators.writable import check_folder
from reports.audit.audit import FILE as AUDIT
from reports.audit.audit import write_audit
from reports.corruptions.errors import write_corruptions
from reports.gates.findings import sections, suites
from reports.page.page import write_page
from reports.results.unfinished import is_unfinished

FAIL_HELP = "Exit 1 if a check against false robustness fails."
RELATIVE_HELP = "Divide errors under corruptions by this network's; alexnet has the paper's."


@click.command()
@click.argument("directory", type=PATH)
@click.option("--baseline", type=PATH, help="Results CSV or run directory.")
@click.option("--fail-on", type=click.Choice(["audit"]), help=FAIL_HELP)
@gate_files
@click.option("--relative-to", default="", metavar="NETWORK", help=RELATIVE_HELP)
def report(
    directory: Path,
    baseline: Path | None,
    relative_to: str,
    fail_on: str | None,
    junit: Path | None,
    markdown: Path | None,
    sarif: Path | None,
) -> None:
    """Write audit and page of a run again."""
    if directory.is_dir():
        check_folder(directory, f"run {directory}", "repair that, or copy the run")
    if is_unfinished(directory):
        refuse_if_held(directory)
    with run_progress() as progress:
        progress.restart()
        progress.step("checking for false robustness")
        findings = write_audit(directory)
        progress.share(0.5)
        write_corruptions(directory, relative_to)
        progress.step("writing the page")
        path = write_page(directory, baseline)
    warn_unfinished(directory)
    show_squashed(directory)
    show_corruptions(directory)
    show_audit(findings, directory)
    say(path)
    parts = partial(suites, findings, str(directory / AUDIT)), partial(sections, findings)
    write_gate_files(f"bench report {directory}", *parts, junit, markdown, sarif)
    if fail_on and (findings["status"] == "fail").any():
        sys.exit(exit_codes.GATE_FAILED)
