"""`bench compare`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmark.cli import exit_codes
from benchmark.cli.gates import gate_files, write_gate_files
from benchmark.cli.options import OUT_FILE, PATH, VARIANTS, warn_unfinished, write_text
from benchmark.terminal.console import console, say
from reports.compare.agree import CHECKS
from reports.compare.compare import Comparison, failures
from reports.compare.compare import compare as compare_runs
from reports.compare.gate import sections, suites
from reports.compare.render import to_csv, to_html, to_json
from reports.compare.table import as_lines
from reports.gates.markdown import to_markdown
from reports.style.plain_text import plain

CORRECTION = click.Choice(["bh", "holm", "none"])
CORRECTION_HELP = "Correction for many cells: Benjamini-Hochberg or Holm."
FORM = click.Choice(["table", "csv", "markdown", "json", "html"])
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
ALLOW_HELP = f"What may differ: {', '.join(CHECKS)}. Several: A,B or repeat the option."
MATCH_HELP = "Take name or label OLD of the first run and NEW of the others as the same."
WHERE_HELP = f"Compare these rows alone, as 'dataset=mnist network=lenet eps<=0.1'; {VARIANTS}"
SHARED_HELP = "Leave out rows that only one side has."
ALL_HELP = "Show every row, not only those that differ."
FAIL_HELP = "Exit 1 if an accuracy drops significantly, or a row is missing."
TOLERANCE_HELP = "Accept a drop of this share; 0.01 is one percentage point."
# lines of a table that is written to a file
WIDTH = 120


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="A B [C]...", type=PATH)
@click.option("--allow", multiple=True, metavar="CHECK", help=ALLOW_HELP)
@click.option("--force", is_flag=True, help="Compare whatever differs, with a warning.")
@click.option("--match", "names", multiple=True, metavar="OLD=NEW", help=MATCH_HELP)
@click.option("--where", default="", metavar="CONDITIONS", help=WHERE_HELP)
@click.option("--only-shared", is_flag=True, help=SHARED_HELP)
@click.option(
    "--correction", type=CORRECTION, default="bh", show_default=True, help=CORRECTION_HELP
)
@click.option("--level", type=SHARE, default=0.95, show_default=True, help="Confidence level.")
@click.option("--all", "every", is_flag=True, help=ALL_HELP)
@click.option("--format", "form", type=FORM, default="table", show_default=True)
@click.option("--plot", type=PATH, callback=OUT_FILE, help="Plot to draw: .png, .svg or .pdf.")
@click.option("--out", type=PATH, callback=OUT_FILE, help="File to write instead of printing.")
@click.option("--fail-on", type=click.Choice(["worse"]), help=FAIL_HELP)
@click.option(
    "--tolerance", type=click.FloatRange(0, 1), default=0.0, show_default=True, help=TOLERANCE_HELP
)
@gate_files
def compare(
    runs: tuple[Path, ...],
    every: bool,
    form: str,
    plot: Path | None,
    out: Path | None,
    fail_on: str | None,
    tolerance: float,
    junit: Path | None,
    markdown: Path | None,
    sarif: Path | None,
    **options: Any,
) -> None:
    """Compare runs with the first one.

    Each is a results CSV or a run directory. The rows that differ are shown; the others are
    counted. Networks with different names are compared if their labels are equal, or as --match
    says. A retrained network needs --allow weights.
    """
    comparison = compare_runs(*runs, **options)
    warn_unfinished(*runs)
    if plot is not None:
        from reports.compare.plot import write_plot

        write_plot(comparison, plot)
    parts = partial(suites, comparison, tolerance), partial(sections, comparison, tolerance)
    title = f"bench compare {' '.join(map(str, runs))}"
    write_gate_files(title, *parts, junit, markdown, sarif)
    if form == "table" and out is None:
        for text, style in as_lines(comparison, console.width, None if every else 40, every):
            say(text, style=style or None)
    else:
        write_text(_text(comparison, form, tolerance, every), out)
    reasons = failures(comparison, tolerance) if fail_on else ()
    for reason in reasons:
        click.echo(plain(reason), err=True)
    sys.exit(exit_codes.GATE_FAILED if reasons else 0)


def _text(comparison: Comparison, form: str, tolerance: float, every: bool) -> str:
    """Return a comparison in the form of `--format`."""
    if form == "markdown":
        return to_markdown("Comparison of runs", sections(comparison, tolerance, every))
    if form == "table":
        lines = as_lines(comparison, WIDTH, None, every)
        return "".join(f"{line.text}\n" for line in lines)
    return {"csv": to_csv, "json": to_json, "html": to_html}[form](comparison)
