"""`bench report`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import PATH
from benchmark.cli.show_run import show_audit, show_squashed
from reports.audit.audit import write_audit
from reports.page.page import write_page


@click.command()
@click.argument("directory", type=PATH)
@click.option("--baseline", type=PATH, help="Results CSV or run directory.")
def report(directory: Path, baseline: Path | None) -> None:
    """Write audit and page of a run again."""
    findings = write_audit(directory)
    path = write_page(directory, baseline)
    show_squashed(directory)
    show_audit(findings)
    click.echo(path)
