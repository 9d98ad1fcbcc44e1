"""`bench speed`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import OUT_FILE, PATH, data_dir, whole_from, write_text
from benchmark.execution.environment import machine, package_versions
from benchmark.speed.lines import LINES, MEMORY, chosen
from benchmark.terminal.console import say
from benchmark.terminal.progress_bars import run_progress

if TYPE_CHECKING:
    from benchmark.speed.timing import Measured

ONLY_HELP = f"Lines whose names contain this: {', '.join(LINES)}; or {MEMORY}."


@click.command()
@click.option(
    "--repeat",
    type=int,
    callback=whole_from(1, 1000),
    default=5,
    show_default=True,
    help="Measurements of each side.",
)
@click.option("--only", default="", metavar="TEXT", help=ONLY_HELP)
@click.option("--json", "json_file", type=PATH, callback=OUT_FILE, help="Write a JSON file.")
@data_dir
def speed(repeat: int, only: str, json_file: Path | None, data_dir: Path | None) -> None:
    """Measure the speed against ART and others.

    Both sides run alternately on MNIST, and on photos where these are at hand.
    """
    if only.strip().lower() == MEMORY:
        with run_progress() as progress:
            from benchmark.speed.memory import peaks

            progress.restart()
            progress.step("measuring memory")
            for count, megabytes in peaks():
                say(f"{count:7,} images of 28x28: peak {megabytes:,.0f} MB")
        return
    chosen(only)
    lines = []
    with run_progress() as progress:
        # only now: it imports torch, which takes seconds
        from benchmark.speed.measure import measure

        progress.restart()

        def begun(name: str, number: int, count: int) -> None:
            progress.place(f"line {number} of {count}")
            progress.step(name)
            progress.share((number - 1) / count)

        for line in measure(data_dir, repeat, only, say, begun):
            lines.append(line)
            _show(line)
    if json_file is not None:
        content: dict[str, object] = {"machine": machine("cpu", 2), "versions": package_versions()}
        content |= {"repeat": repeat, "lines": [asdict(line) for line in lines]}
        write_text(json.dumps(content, indent=2) + "\n", json_file)


def _show(line: Measured) -> None:
    """Print one measured line of `bench speed`."""
    same = {True: "identical", False: "NOT identical", None: ""}[line.same]
    say(line.work, style="bold")
    times = f"{line.ours:8.3f} s   {line.rival}: {line.theirs:8.3f} s   {line.ratio:6.2f} x"
    say(f"  {times}   {same}")
    if line.note:
        say(f"  {line.note}")
