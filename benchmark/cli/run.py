"""`bench run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from benchmark.cli import exit_codes
from benchmark.cli.options import (
    NETWORK_HELP,
    OUT_FOLDER,
    PATH,
    REPLACE_HELP,
    SEEDS,
    data_dir,
    device,
    parse_samples,
    with_weights,
)
from estimators.spec import parse_spec

LABEL_HELP = "Show TEXT in place of a name. With one --network, TEXT alone is its label."
SAMPLES_HELP = "100, all, first:100, balanced:10 (of each class), or a file of ids: FILE.txt."
REQUIRE_HELP = "A requirement, see `bench check`; replaces those of the grid. Repeatable."
SEED_HELP = "Seed of the subset of images and of random attacks."


@click.command()
@click.option("--grid", "grid_name", default="quick", show_default=True, help="Name or YAML file.")
@click.option(
    "--dataset", "datasets", multiple=True, help="Name of a data set, npz:PATH or imagefolder:PATH."
)
@click.option("--network", "networks", multiple=True, help=NETWORK_HELP)
@click.option("--weights", type=PATH, help="File of weights of the only --network.")
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    help="NAME or NAME:eps=VALUE,... or 'NAME:eps=[VALUE,VALUE]'",
)
@click.option("--threat", "threats", multiple=True, help="NAME or NAME:PARAMETER=VALUE")
@click.option("--defence", "defences", multiple=True, help="NAME or NAME:PARAMETER=VALUE,...")
@click.option(
    "--certify", multiple=True, help="Prove lower bounds too, by crown, alpha-crown or ibp."
)
@click.option("--samples", help=SAMPLES_HELP)
@click.option("--seed", type=int, callback=SEEDS, help=SEED_HELP)
@click.option("--draws", type=int, help="Scoring draws of a random defence.  [default: 10]")
@click.option("--title", help="Title of the page and the summary.")
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help=LABEL_HELP)
@click.option("--out", type=PATH, callback=OUT_FOLDER, help="Run directory.")
@click.option("--threads", type=int, help="Worker threads.  [default: measured]")
@click.option("--batch", type=int, help="Images per chunk at most.  [default: as many as suit]")
@click.option(
    "--memory", metavar="SIZE", help="Limit, such as 4GB.  [default: 70 % of what is free]"
)
@click.option("--workers", type=int, help="Processes of this machine to compute on (Dask).")
@click.option("--scheduler", metavar="ADDRESS", help="Dask cluster to join: tcp://HOST:8786.")
@click.option("--require", multiple=True, metavar="TEXT", help=REQUIRE_HELP)
@click.option("--no-require", is_flag=True, help="Leave requirements to `bench check`.")
@click.option("--baseline", type=PATH, help="Results that the page compares with.")
@click.option("--log", multiple=True, metavar="TRACKER", help="Log to mlflow or wandb, too.")
@click.option("--save-adversarial", is_flag=True, help="Keep the images that attacks make.")
@click.option("--replace", is_flag=True, help=REPLACE_HELP)
@click.option("--retry-failed", is_flag=True, help="Compute failed cells again.")
@click.option("--trust-pickle", is_flag=True, help="Run the code that a .pt file contains.")
@click.option("--allow-import", is_flag=True, help="Import the code that the grid file names.")
@data_dir
@device
def run(
    grid_name: str,
    datasets: tuple[str, ...],
    networks: tuple[str, ...],
    attacks: tuple[str, ...],
    threats: tuple[str, ...],
    defences: tuple[str, ...],
    certify: tuple[str, ...],
    samples: str | None,
    seed: int | None,
    draws: int | None,
    weights: Path | None,
    allow_import: bool,
    title: str | None,
    labels: tuple[str, ...],
    require: tuple[str, ...],
    no_require: bool,
    **options: Any,
) -> None:
    """Run a grid: tables, plots, page and summary.

    A run writes one row per cell (one combination of data set, network, attack, threat and
    defence). If a data set cannot be downloaded, its rows are marked `skipped`. The same command
    again continues a stopped run.

    An option such as --network narrows the grid to the names that are given; a name that the grid
    does not have takes the place of its own. The options can be repeated. `bench list` shows all
    names.

    Requirements are checked at the end: the exit code is 1 if a row does not meet its own.
    """
    from benchmark.grids.known import check_names
    from benchmark.grids.labels import with_labels
    from benchmark.grids.model import load_grid
    from benchmark.grids.overrides import narrowed, titled
    from benchmark.grids.short_form import read_entry

    grid = narrowed(
        load_grid(grid_name, allow_import),
        datasets=datasets,
        networks=with_weights([parse_spec(text) for text in networks], weights),
        attacks=[read_entry(text, "attacks") for text in attacks],
        threats=[parse_spec(text) for text in threats],
        defences=[read_entry(text, "defences") for text in defences],
        samples=None if samples is None else parse_samples(samples),
        seed=seed,
        draws=draws,
        certify=[parse_spec(text) for text in certify],
    )
    check_names(grid)
    # only now: they import pandas, which takes half a second
    from benchmark.cli.gates import check_requirements, show_verdicts
    from benchmark.terminal.progress_bars import run_progress
    from reports.gates.check import check_run
    from reports.gates.requirement import parse_requirement

    grid = with_labels(titled(grid, title), labels, [parse_spec(text) for text in networks])
    if require:
        parsed = [parse_requirement(text) for text in require]
        grid = grid.model_copy(update={"require": [requirement.text for requirement in parsed]})
    if not no_require:
        check_requirements(grid)
    with run_progress() as progress:
        # only now: they import torch, which takes seconds
        from benchmark.cli.show_run import show_result
        from benchmark.runs.options import RunOptions
        from benchmark.runs.run import run as run_in_directory

        result = run_in_directory(grid, RunOptions(progress=progress, **options))
    show_result(result)
    if grid.require and not no_require and not show_verdicts(check_run(result.directory)):
        sys.exit(exit_codes.GATE_FAILED)
    sys.exit(
        exit_codes.of_run(
            failed=len(result.failed) + len(result.unproved), skipped=len(result.skipped)
        )
    )
