"""`bench study`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import OUT_FOLDER, PATH, data_dir, device, parse_count, seed_option
from benchmark.execution.environment import resolve_device
from benchmark.studies.lookup import study_entry
from benchmark.studies.request import make_request
from benchmark.terminal.console import say
from benchmark.terminal.progress_bars import run_progress
from estimators.data.known import check_dataset
from estimators.networks.known import check_network
from estimators.spec import parse_spec
from reports.style.file_names import file_name

if TYPE_CHECKING:
    from benchmark.studies.cache import FinishedStudy


@click.command()
@click.argument("name")
@click.option("--dataset", help="Only this data set.  [default: those of the paper]")
@click.option("--network", help="NAME or NAME:PARAMETER=VALUE,...")
@click.option("--samples", help="Number of images, or all.")
@seed_option
@click.option("--set", "settings", multiple=True, help="PARAMETER=VALUE of the study.")
@click.option("--quick", is_flag=True, help="A small size: for a look, not for conclusions.")
@click.option("--out", type=PATH, callback=OUT_FOLDER, help="Folder.")
@data_dir
@device
def study(
    name: str,
    dataset: str | None,
    network: str | None,
    samples: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    **options: Any,
) -> None:
    """Run one analysis of the paper.

    Writes its tables and figures into a folder. If nothing has changed since, they are reused.

    `bench list studies` shows the names, and the parameters that --set takes.
    """
    entry = study_entry(name)
    params = parse_spec(f"{name}:{','.join(settings)}").kwargs
    if samples is not None:
        count = parse_count(samples)
        params["samples"] = sys.maxsize if count == "all" else count
    spec = None if network is None else parse_spec(network)
    if dataset is not None:
        check_dataset(dataset)
    if spec is not None:
        check_network(spec)
    make_request(entry, dataset, spec, params)
    with run_progress() as progress:
        # only now: they import torch, which takes seconds
        from benchmark.runs.run import RUNS
        from benchmark.studies.cache import run_study

        options["device"] = resolve_device(options["device"])
        progress.restart()
        progress.place(name)
        options |= {"report": progress.step, "message": progress.message, "share": progress.share}
        request = make_request(entry, dataset, spec, params, **options)
        done = run_study(name, request, out or RUNS / file_name("study", name))
    _show(done)


def _show(done: FinishedStudy) -> None:
    """Print where the tables and figures of a study are."""
    took = "reused, nothing has changed" if done.reused else f"took {done.seconds:.0f} s"
    say(f"{took}; in {done.folder}:")
    for path in sorted(done.folder.rglob("*")):
        if path.suffix in (".csv", ".png", ".gif"):
            say(f"  {path.relative_to(done.folder)}")
