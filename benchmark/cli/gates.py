"""What gates print, and the files that `check`, `compare` and `report` write for CI systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmark.cli.options import PATH
from benchmark.terminal.console import console, say
from benchmark.version import __version__
from reports.gates.cases import Suite
from reports.gates.check import Verdict
from reports.gates.junit import to_junit
from reports.gates.markdown import Section, to_markdown
from reports.gates.sarif import to_sarif
from reports.gates.verdicts import lines
from reports.results.atomic import replace_text

F = TypeVar("F", bound=Callable[..., Any])


def gate_files(command: F) -> F:
    """Add the options --junit, --markdown and --sarif to a command."""
    for name, about in (
        ("--sarif", "SARIF file to write, for code scanning."),
        ("--markdown", "Markdown file to write; GitHub's step summary takes it."),
        ("--junit", "JUnit XML file to write, for the test results of a CI system."),
    ):
        command = click.option(name, type=PATH, help=about)(command)
    return command


def write_gate_files(
    title: str,
    suites: Sequence[Suite],
    sections: Sequence[Section],
    junit: Path | None,
    markdown: Path | None,
    sarif: Path | None,
) -> None:
    """Write the files that were asked for. title: the command and what it read."""
    if junit is not None:
        replace_text(junit, to_junit(suites, title))
    if markdown is not None:
        replace_text(markdown, to_markdown(title, sections))
    if sarif is not None:
        replace_text(sarif, to_sarif(suites, __version__))


def show_verdicts(verdicts: Sequence[Verdict]) -> bool:
    """Print the verdicts on some requirements; return whether all are met."""
    for line in lines(verdicts, console.width):
        say(line, style="bold red" if line.startswith("FAIL") else None)
    return all(verdict.met for verdict in verdicts)
