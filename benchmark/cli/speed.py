"""`bench speed`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import OUT_FILE, OUT_FOLDER, PATH, data_dir, whole_from, write_text
from benchmark.execution.environment import default_threads, machine, package_versions
from benchmark.speed.growth.axes import AXES, GROWTH, Axis, axes
from benchmark.speed.lines import LINES, MEMORY, chosen
from benchmark.speed.table import speed_markdown, speed_table
from benchmark.terminal.console import console, say
from benchmark.terminal.progress_bars import run_progress
from estimators.errors import InputError
from estimators.processor import instructions

if TYPE_CHECKING:
    from benchmark.speed.growth.points import Point
    from benchmark.speed.timing import Measured

ONLY_HELP = (
    f"Lines whose names contain this: {', '.join(LINES)}; {MEMORY}; or {', '.join(AXES)}, all four:"
    f" {GROWTH}."
)


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
@click.option("--markdown", type=PATH, callback=OUT_FILE, help="Write the table as Markdown.")
@click.option("--plots", type=PATH, callback=OUT_FOLDER, help="Folder for the figures of growth.")
@click.option("--weights-dir", type=PATH, help="Folder of `bench anchors`, for autoattack.")
@click.option(
    "--original", type=PATH, help="Checkout of github.com/fra31/auto-attack, which is run."
)
@data_dir
def speed(
    repeat: int,
    only: str,
    json_file: Path | None,
    markdown: Path | None,
    plots: Path | None,
    weights_dir: Path | None,
    original: Path | None,
    data_dir: Path | None,
) -> None:
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
    growing = axes(only)
    if not growing:
        chosen(only)
    if plots is not None and not growing:
        raise InputError(f"--plots: only {GROWTH} has figures; add --only {GROWTH}")
    about = machine("cpu", default_threads("cpu")) | {"instructions": instructions()}
    versions = package_versions()
    content: dict[str, object]
    title = (
        f"{about['processor']} ({', '.join(instructions()) or 'instructions unknown'}),"
        f" {about['threads']} threads, torch {versions['torch']}"
    )
    if growing:
        say(title)
        points = _grow(growing, plots)
        if markdown is not None:
            from benchmark.speed.growth.figures import growth_markdown

            write_text(growth_markdown(points, title), markdown)
        if json_file is not None:
            content = {"machine": about, "versions": versions}
            content["growth"] = [asdict(point) for point in points]
            write_text(json.dumps(content, indent=2) + "\n", json_file)
        return
    title += f"; medians of {repeat} alternating pairs"
    say(title)
    lines = []
    with run_progress() as progress:
        # only now: it imports torch, which takes seconds
        from benchmark.speed.measure import measure

        progress.restart()

        def begun(name: str, number: int, count: int) -> None:
            progress.place(f"line {number} of {count}")
            progress.step(name)
            progress.share((number - 1) / count)

        for line in measure(data_dir, repeat, only, say, begun, weights_dir, original):
            lines.append(line)
            _show(line)
    console.print(speed_table(lines))
    if markdown is not None:
        write_text(speed_markdown(lines, title), markdown)
    if json_file is not None:
        content = {"machine": about, "versions": versions}
        content |= {"repeat": repeat, "lines": [asdict(line) for line in lines]}
        write_text(json.dumps(content, indent=2) + "\n", json_file)


def _grow(growing: list[Axis], plots: Path | None) -> list[Point]:
    """Measure and print how cost grows; draw it where a folder is given."""
    found = []
    with run_progress() as progress:
        from benchmark.speed.growth.figures import draw_growth
        from benchmark.speed.growth.points import points

        progress.restart()
        for number, axis in enumerate(growing):
            progress.place(f"line {number + 1} of {len(growing)}")
            progress.step(axis.name)
            progress.share(number / len(growing))
            say(f"{axis.name}: {axis.summary}", style="bold")
            for point in points(axis):
                found.append(point)
                took = f"{point.seconds:9.3f} s  peak {point.megabytes:7,.0f} MB"
                say(f"  {point.size:9,} {axis.unit}: {took}")
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        draw_growth(found, plots)
    return found


def _show(line: Measured) -> None:
    """Print one measured line of `bench speed`."""
    same = {True: "identical", False: "NOT identical", None: ""}[line.same]
    say(line.work, style="bold")
    times = f"{line.ours:8.3f} s   {line.rival}: {line.theirs:8.3f} s   {line.ratio:6.2f} x"
    say(f"  {times}   {same}")
    if line.floor is not None:
        share = line.ours / line.floor
        say(f"  floor (passes alone) {line.floor:.3f} s, {share:.2f} times the floor")
    if line.note:
        say(f"  {line.note}")
