"""`bench report`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import PATH
from benchmark.cli.show_run import show_audit, show_corruptions, show_squashed
from reports.audit.audit import write_audit
from reports.corruptions.errors import write_corruptions
from reports.page.page import write_page

RELATIVE_HELP = "Divide errors under corruptions by this network's; alexnet has the paper's."


@click.command()
@click.argument("directory", type=PATH)
@click.option("--baseline", type=PATH, help="Results CSV or run directory.")
@click.option("--relative-to", default="", metavar="NETWORK", help=RELATIVE_HELP)
def report(directory: Path, baseline: Path | None, relative_to: str) -> None:
    """Write audit and page of a run again."""
    findings = write_audit(directory)
    write_corruptions(directory, relative_to)
    path = write_page(directory, baseline)
    show_squashed(directory)
    show_corruptions(directory)
    show_audit(findings, directory)
    click.echo(path)
