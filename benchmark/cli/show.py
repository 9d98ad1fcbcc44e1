"""What the smaller commands print: lists, layers, trainings, studies, speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from benchmark.cli.console import console, say

if TYPE_CHECKING:
    from benchmark.cli.catalogue import Row
    from benchmark.speed.timing import Measured
    from benchmark.studies.cache import FinishedStudy
    from estimators.networks.given import Trained


def show_catalogue(catalogue: Mapping[str, Sequence[Row]]) -> None:
    """Print everything that a grid can name, one line each."""
    for title, rows in catalogue.items():
        table = Table(title=title, title_justify="left", show_edge=False, title_style="bold")
        table.add_column("name", no_wrap=True)
        for name in ("summary", "size" if title == "grids" else "parameters"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
        console.print()


def show_layers(layers: Sequence[Mapping[str, Any]], trainable: int, fixed: int) -> None:
    """Print a layer table with its totals (the paper's Figures 29 to 31).

    layers: as `layer_table` returns them. trainable, fixed: numbers of parameters.
    """
    table = Table("layer", "output shape", show_edge=False)
    table.add_column("parameters", justify="right")
    for row in layers:
        size = " x ".join(str(s) for s in row["output_shape"])
        table.add_row(row["layer"], size, f"{row['parameters']:,}")
    console.print(table)
    say(f"total parameters:         {trainable + fixed:,}")
    say(f"trainable parameters:     {trainable:,}")
    say(f"non-trainable parameters: {fixed:,}")


def show_training(trained: Trained) -> None:
    """Print the accuracy of a training and where its files are."""
    verb = "loaded, trained before" if trained.reused else "trained"
    say(f"{verb}: test accuracy {trained.metadata['test_accuracy']:.4f}")
    say(f"weights: {trained.path}")
    for suffix in (".history.csv", ".curves.png"):
        beside = trained.path.with_suffix(suffix)
        if beside.is_file():
            say(f"         {beside}")


def show_study(done: FinishedStudy) -> None:
    """Print where the tables and figures of a study are."""
    took = "reused, nothing has changed" if done.reused else f"took {done.seconds:.0f} s"
    say(f"{took}; in {done.folder}:")
    for path in sorted(done.folder.iterdir()):
        if path.suffix in (".csv", ".png", ".gif"):
            say(f"  {path.name}")


def show_speed(line: Measured) -> None:
    """Print one measured line of `bench speed`."""
    same = {True: "identical", False: "NOT identical", None: ""}[line.same]
    say(line.work, style="bold")
    times = f"{line.ours:8.3f} s   {line.rival}: {line.theirs:8.3f} s   {line.ratio:6.2f} x"
    say(f"  {times}   {same}")
    if line.note:
        say(f"  {line.note}")
