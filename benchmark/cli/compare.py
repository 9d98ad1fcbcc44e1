"""`bench compare`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmark.cli import exit_codes
from benchmark.cli.options import PATH, write_text
from reports.compare.compare import compare as compare_runs
from reports.compare.compare import failures
from reports.compare.render import FORMATS, as_table

CORRECTION = click.Choice(["bh", "holm", "none"])
CORRECTION_HELP = "Correction for many cells: Benjamini-Hochberg or Holm."
FORM = click.Choice(["table", "csv", "markdown", "json", "html"])
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="A B [C]...", type=PATH)
@click.option("--force", is_flag=True, help="Compare runs that do not match, with a warning.")
@click.option(
    "--correction", type=CORRECTION, default="bh", show_default=True, help=CORRECTION_HELP
)
@click.option("--level", type=SHARE, default=0.95, show_default=True, help="Confidence level.")
@click.option("--format", "form", type=FORM, default="table", show_default=True)
@click.option("--plot", type=PATH, help="Plot to draw: .png, .svg or .pdf.")
@click.option("--out", type=PATH, help="File to write instead of printing.")
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
    """Compare runs with the first one.

    Each is a results CSV or a run directory.
    """
    comparison = compare_runs(*runs, **options)
    if plot is not None:
        from reports.compare.plot import write_plot

        write_plot(comparison, plot)
    if form != "table":
        write_text(FORMATS[form](comparison), out)
    elif out is None:
        Console().print(as_table(comparison))
    else:
        text = io.StringIO()
        Console(file=text, width=120).print(as_table(comparison, limit=None))
        write_text(text.getvalue(), out)
    reasons = failures(comparison, tolerance) if fail_on else ()
    for reason in reasons:
        click.echo(reason, err=True)
    sys.exit(exit_codes.WORSE if reasons else 0)
