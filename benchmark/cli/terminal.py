"""What the commands show in a terminal: progress, tables, where everything is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

if TYPE_CHECKING:
    from torch import nn

    from benchmark.execution.plan import Task
    from benchmark.execution.progress import Progress
    from benchmark.runs.run import Result
    from benchmark.speed.timing import Measured
    from benchmark.studies.cache import FinishedStudy
    from benchmark.studies.paper import Paper
    from estimators.networks.given import Trained

console = Console()


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar of work done with the time left, and the cells that are finished.

    It appears with the first work, so that an error before that is one line and nothing else.
    """
    from benchmark.execution.progress import Progress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[cells]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=console)
    state: dict[str, Any] = {"done": 0, "total": 0, "work": 1.0}
    job = bar.add_task(f"{'starting':<24}", total=None, cells="")

    def started(cells: int, reused: int, work: float) -> None:
        if reused:
            message(f"{reused} cells were stored already and are reused")
        if cells:
            state.update(total=cells, work=max(work, 1e-9))
            bar.update(job, total=state["work"], cells=f"0/{cells} cells")
            bar.start()

    def advanced(task: Task, work: float, cells: int) -> None:
        state["done"] += cells
        text = f"{task.dataset} {task.network} {task.attacks[0].without('eps').name}"
        bar.update(
            job,
            advance=work,
            description=escape(f"{text:<24}"),
            cells=f"{state['done']}/{state['total']} cells",
        )
        if state["done"] == state["total"]:
            bar.update(job, description=f"{'done':<24}", completed=state["work"])
            bar.stop()

    def message(text: str) -> None:
        bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def epoch(row: dict[str, float]) -> None:
        bar.start()
        bar.update(job, description=f"training, epoch {row['epoch']:.0f}")

    try:
        yield Progress(message=message, started=started, advanced=advanced, epoch=epoch)
    finally:
        bar.stop()


@contextmanager
def epochs(total: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar over the epochs of a training, with its accuracies; none where nothing is trained."""
    columns = (
        TextColumn("training"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=console)
    job = bar.add_task("training", total=total, told="")

    def on_epoch(row: dict[str, float]) -> None:
        bar.start()
        told = f"train {row['train_accuracy']:.3f} test {row['test_accuracy']:.3f}"
        bar.update(job, advance=1, told=told)

    try:
        yield on_epoch
    finally:
        bar.stop()


@contextmanager
def doing(name: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the step that a study is at; nothing where nobody watches."""
    with console.status(name) as status:
        yield lambda text: status.update(f"{name}: {text}")


def show_study(done: FinishedStudy) -> None:
    """Where a study's files are, and its tables' first rows."""
    took = "reused, nothing has changed" if done.reused else f"took {done.seconds:.0f} s"
    console.print(f"{took}; in {done.folder}:", highlight=False, soft_wrap=True)
    for path in sorted(done.folder.iterdir()):
        if path.suffix in (".csv", ".png", ".gif"):
            console.print(f"  {path.name}", highlight=False)


def show_paper(paper: Paper) -> None:
    """The verdict on each claim, what is missing, and where everything is."""
    from reports.claims.evaluate import CLAIMS, WHOLE

    table = Table(box=SIMPLE_HEAD, title="claims of the paper", title_justify="left")
    for name in ("claim", "attacker", "what it says", "verdict", "parts"):
        table.add_column(name, no_wrap=name != "what it says")
    styles = {"supported": "green", "contradicted": "red", "undecided": "yellow"}
    texts = {claim.number: claim.text for claim in CLAIMS}
    whole = paper.claims[paper.claims["part"] == WHOLE]
    for row in whole.to_dict("records"):
        verdict = f"[{styles[row['verdict']]}]{row['verdict']}[/]"
        told = row["measured"].replace(" parts supported", "")
        table.add_row(row["claim"], row["attacker"], texts[row["claim"]], verdict, told)
    console.print(table)
    for what, reason in paper.skipped.items():
        console.print(f"skipped: study {what}: {reason}", style="bold red", soft_wrap=True)
    for name, reason in paper.failed.items():
        console.print(f"failed: study {name}: {reason}", style="bold red", soft_wrap=True)
    console.print(
        f"{paper.directory}: claims.csv, studies/, results.csv, report.html",
        highlight=False,
        soft_wrap=True,
    )


def show_training(trained: Trained) -> None:
    """Where the weights are and how good they are."""
    verb = "loaded, trained before" if trained.reused else "trained"
    accuracy = trained.metadata["test_accuracy"]
    console.print(f"{verb}: test accuracy {accuracy:.4f}", highlight=False)
    console.print(f"weights: {trained.path}", highlight=False, soft_wrap=True)
    for suffix in (".history.csv", ".curves.png"):
        beside = trained.path.with_suffix(suffix)
        if beside.is_file():
            console.print(f"         {beside}", highlight=False, soft_wrap=True)


def show_layers(network: nn.Module, shape: tuple[int, int, int]) -> None:
    """The layer table with its totals (the paper's Figures 29 to 31)."""
    from estimators.networks.layer_table import count_parameters, layer_table

    table = Table("layer", "output shape", show_edge=False)
    table.add_column("parameters", justify="right")
    for row in layer_table(network, shape):
        size = " x ".join(str(s) for s in row["output_shape"])
        table.add_row(row["layer"], size, f"{row['parameters']:,}")
    console.print(table)
    trainable, fixed = count_parameters(network)
    console.print(f"total parameters:         {trainable + fixed:,}", highlight=False)
    console.print(f"trainable parameters:     {trainable:,}", highlight=False)
    console.print(f"non-trainable parameters: {fixed:,}", highlight=False)


def show_lists() -> None:
    """Everything that a grid can name, one line each."""
    from benchmark.cli.catalogue import catalogue

    for kind, rows in catalogue().items():
        table = Table(title=kind, title_justify="left", show_edge=False, title_style="bold")
        table.add_column("name", no_wrap=True)
        for name in ("about", "size" if kind == "grids" else "parameters"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
        console.print()


def show_speed_line(line: Measured) -> None:
    """One measured line of `bench speed`."""
    same = {True: "identical", False: "NOT identical", None: ""}[line.same]
    console.print(f"{line.work}", style="bold", highlight=False, soft_wrap=True)
    console.print(
        f"  {line.ours:8.3f} s   {line.rival}: {line.theirs:8.3f} s   {line.ratio:6.2f} x   {same}",
        highlight=False,
        soft_wrap=True,
    )
    if line.note:
        console.print(f"  {line.note}", highlight=False, soft_wrap=True)


def show_result(result: Result) -> None:
    """The main figures of a run, what is missing from it, and where everything is."""
    from reports.results.operating_point import operating_points
    from reports.style.labels import read_labels

    rows = operating_points(result.table, read_labels(result.directory).threats)
    if len(rows):
        console.print(_summary_table(rows))
    for kind, part in (("skipped", result.skipped), ("failed", result.failed)):
        for reason, count in part["reason"].value_counts().items():
            console.print(f"[bold red]{kind}: {count} cells[/]: ", end="")
            console.print(str(reason), markup=False, highlight=False, soft_wrap=True)
    show_audit(result.findings)
    if result.reused:
        console.print(f"reused {result.reused} of {len(result.table)} cells", highlight=False)
    console.print(f"results in {result.directory}:", highlight=False, soft_wrap=True)
    for path in sorted(result.directory.iterdir()):
        if path.suffix in (".csv", ".json", ".parquet", ".html", ".log"):
            console.print(f"  {path.name}", highlight=False)
        elif path.is_dir():
            console.print(f"  {path.name}/ ({len(list(path.iterdir()))} files)", highlight=False)


def show_audit(findings: pd.DataFrame) -> None:
    """How the sanity checks ended; what fails or warns, one line each."""
    from reports.audit.audit import short
    from reports.audit.finding import STATUSES

    counts = findings["status"].value_counts()
    told = ", ".join(f"{counts[s]} {s}" for s in STATUSES if s in counts)
    console.print(f"sanity checks: {told or 'none'}", highlight=False)
    lines = short(findings)
    for line in lines[:8]:
        style = "bold red" if line.startswith("fail") else "yellow"
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    if len(lines) > 8:
        console.print(f"and {len(lines) - 8} more in audit.csv", highlight=False)


def _summary_table(rows: pd.DataFrame) -> Table:
    table = Table(
        title="accuracy at the smallest eps that halves that of the bare network",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("network", "attack"):
        table.add_column(name, overflow="fold")  # where there is no room, numbers stay whole
    for name in ("eps", "clean", "bare", "JPEG,\noblivious", "JPEG,\nadaptive"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        where = f"{row.pop('dataset')}/{row.pop('network')}"
        # brackets are markup to rich, and parameters to us
        table.add_row(escape(where), *(escape(_cell(value)) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return str(value)
