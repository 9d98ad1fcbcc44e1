"""Commands that read results: what a run left, compared or reported on."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import write


@click.command()
@click.argument(
    "runs", nargs=-1, required=True, metavar="A B [C]...", type=click.Path(path_type=Path)
)
@click.option("--force", is_flag=True, help="Compare what is not comparable, with a warning.")
@click.option(
    "--correction",
    type=click.Choice(["bh", "holm", "none"]),
    default="bh",
    show_default=True,
    help="For the number of cells: Benjamini-Hochberg or Holm.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "markdown", "json", "html"]),
    default="table",
    show_default=True,
)
@click.option("--plot", type=click.Path(path_type=Path), help="Draw: .png, .svg or .pdf.")
@click.option("--out", type=click.Path(path_type=Path), help="Write there instead of printing.")
@click.option("--fail-on", type=click.Choice(["worse"]), help="Exit 1 on a drop or missing cells.")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.0, show_default=True)
def compare(
    runs: tuple[Path, ...],
    plot: Path | None,
    form: str,
    out: Path | None,
    fail_on: str | None,
    tolerance: float,
    **options: Any,
) -> None:
    """Compare runs with the first one: results CSVs or run directories."""
    from rich.console import Console

    from reports.compare.compare import compare as compare_runs
    from reports.compare.compare import failures
    from reports.compare.render import FORMATS, as_table

    found = compare_runs(*runs, **options)
    if plot is not None:
        from reports.compare.plot import write_plot

        write_plot(found, plot)
    if form != "table":
        write(FORMATS[form](found), out)
    elif out is None:
        Console().print(as_table(found))
    else:
        page = Console(file=io.StringIO(), width=120)
        page.print(as_table(found, limit=None))
        write(page.file.getvalue(), out)  # type: ignore[attr-defined]
    reasons = failures(found, tolerance) if fail_on else ()
    for reason in reasons:
        click.echo(reason, err=True)
    sys.exit(1 if reasons else 0)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="Results CSV or run directory.")
def report(directory: Path, baseline: Path | None) -> None:
    """Write the audit and the page of a run directory anew."""
    from benchmark.cli import terminal
    from reports.audit.audit import write_audit
    from reports.page.page import write_page

    findings = write_audit(directory)
    path = write_page(directory, baseline)
    terminal.show_audit(findings)
    click.echo(path)
