"""What gates print, and the files that `check`, `compare` and `report` write for CI systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.cli.options import OUT_FILE, PATH
from benchmark.terminal.console import console, say
from benchmark.version import __version__
from estimators.errors import InputError
from reports.errors import TableError
from reports.gates.cases import Suite
from reports.gates.check import Verdict, meant, of_grid
from reports.gates.junit import to_junit
from reports.gates.markdown import Section, to_markdown
from reports.gates.sarif import to_sarif
from reports.gates.verdicts import lines
from reports.results.atomic import replace_text
from reports.style.labels import labels_of

if TYPE_CHECKING:
    from benchmark.grids.model import Grid

F = TypeVar("F", bound=Callable[..., Any])


def gate_files(command: F) -> F:
    """Add the options --junit, --markdown and --sarif to a command."""
    for name, about in (
        ("--sarif", "SARIF file to write, for code scanning."),
        ("--markdown", "Markdown file to write; GitHub's step summary takes it."),
        ("--junit", "JUnit XML file to write, for the test results of a CI system."),
    ):
        command = click.option(name, type=PATH, callback=OUT_FILE, help=about)(command)
    return command


def write_gate_files(
    title: str,
    suites: Callable[[], Sequence[Suite]],
    sections: Callable[[], Sequence[Section]],
    junit: Path | None,
    markdown: Path | None,
    sarif: Path | None,
) -> None:
    """Write the files that were asked for, and make their content for them alone.

    title: the command and what it read.
    """
    # both files have the same cases
    cases = suites() if junit is not None or sarif is not None else ()
    if junit is not None:
        replace_text(junit, to_junit(cases, title))
    if markdown is not None:
        replace_text(markdown, to_markdown(title, sections()))
    if sarif is not None:
        replace_text(sarif, to_sarif(cases, __version__))


def show_verdicts(verdicts: Sequence[Verdict]) -> bool:
    """Print the verdicts on some requirements; return whether all are met."""
    for line in lines(verdicts, console.width):
        say(line, style="bold red" if line.startswith("FAIL") else None)
    return all(verdict.met for verdict in verdicts)


def check_requirements(grid: Grid) -> None:
    """Raise InputError for a requirement of a grid that means none of its cells.

    It would check nothing when the run is done.
    """
    from benchmark.grids.identity import identity
    from benchmark.runs.labels import grid_labels
    from reports.results.columns import frame

    requirements = of_grid(grid.require, "require:")
    if not requirements:
        return
    rows = frame(identity(cell) for cell in grid.cells())
    labels = labels_of(grid_labels(grid))
    for requirement in requirements:
        try:
            meant(rows, requirement, labels)
        except TableError as error:
            advice = "change it, or add --no-require"
            raise InputError(f"grid {grid.name}: {error}; {advice}") from error
