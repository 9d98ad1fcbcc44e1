"""Commands that compute: a grid, a study, the paper, a training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import NETWORK_HELP, data_dir, device, samples_of, with_weights

EXIT_SKIPPED = 3
EXIT_FAILED = 4


@click.command()
@click.option("--grid", "grid_name", default="quick", show_default=True, help="Name or YAML file.")
@click.option("--dataset", "datasets", multiple=True, help="Only, or instead, this data set.")
@click.option("--network", "networks", multiple=True, help=NETWORK_HELP)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights of that network: a file.")
@click.option("--attack", "attacks", multiple=True, help="NAME or NAME:eps=VALUE,...")
@click.option("--threat", "threats", multiple=True, help="NAME or NAME:PARAMETER=VALUE")
@click.option("--defence", "defences", multiple=True, help="NAME or NAME:PARAMETER=VALUE,...")
@click.option("--samples", help="Images: a number, or all.")
@click.option("--seed", type=int, help="Seed of the subset and of what is random in an attack.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.")
@click.option("--threads", type=int, help="Worker threads.  [default: measured]")
@click.option("--workers", type=int, help="Compute on so many processes of this machine (Dask).")
@click.option("--scheduler", metavar="ADDRESS", help="Join a Dask cluster, tcp://HOST:8786.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Results to compare with.")
@click.option("--retry-failed", is_flag=True, help="Compute failed cells again.")
@click.option("--trust-pickle", is_flag=True, help="Run the code in a .pt file that wants to.")
@click.option("--allow-import", is_flag=True, help="Import what the grid file names as code.")
@data_dir
@device
def run(
    grid_name: str,
    datasets: tuple[str, ...],
    networks: tuple[str, ...],
    attacks: tuple[str, ...],
    threats: tuple[str, ...],
    defences: tuple[str, ...],
    samples: str | None,
    seed: int | None,
    weights: Path | None,
    allow_import: bool,
    **options: Any,
) -> None:
    """Run a grid: tables, plots and a summary.

    Options that name data sets, networks, attacks, threats or defences narrow the grid where it has
    them, and take the place of its own where it does not. The same command again continues.
    """
    from benchmark.cli import terminal
    from benchmark.grids.model import load_grid
    from benchmark.grids.overrides import narrowed
    from benchmark.runs.options import RunOptions
    from benchmark.runs.run import run as run_it
    from estimators.spec import parse_spec

    grid = narrowed(
        load_grid(grid_name, allow_import),
        datasets=datasets,
        networks=with_weights([parse_spec(text) for text in networks], weights),
        attacks=[parse_spec(text) for text in attacks],
        threats=[parse_spec(text) for text in threats],
        defences=[parse_spec(text) for text in defences],
        samples=None if samples is None else samples_of(samples),
        seed=seed,
    )
    with terminal.progress() as progress:
        result = run_it(grid, RunOptions(progress=progress, **options))
    terminal.show_result(result)
    sys.exit(EXIT_FAILED if len(result.failed) else EXIT_SKIPPED if len(result.skipped) else 0)


@click.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", required=True)
@click.option("--epochs", type=int, help="Passes over the data.  [default: the recipe's]")
@click.option("--adversarial", help="Defence in training: pgd or jpeg, or pgd:eps=VALUE,...")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="File.  [default: in the cache]")
@data_dir
@device
def train(
    network: str,
    dataset: str,
    epochs: int | None,
    adversarial: str | None,
    seed: int,
    **options: Any,
) -> None:
    """Train a network, or load it where the same training was done before."""
    from benchmark.cli import terminal
    from benchmark.execution.environment import resolve_device
    from estimators.spec import parse_spec
    from estimators.training.adversarial import with_training
    from estimators.training.checkpoints import read_history, train_or_load
    from estimators.training.train import recipe_for
    from reports.plots.training import draw_training

    spec = parse_spec(network)
    if adversarial is not None:
        spec = with_training(spec, parse_spec(adversarial))
    options["device"] = resolve_device(options["device"])
    total = recipe_for(dataset, spec, epochs).epochs
    with terminal.epochs(total) as on_epoch:
        trained = train_or_load(dataset, spec, epochs, seed, on_epoch=on_epoch, **options)
    if not trained.reused:
        curves = trained.path.with_suffix(".curves.png")
        draw_training(read_history(trained.path), f"{spec} on {dataset}, seed {seed}", curves)
    terminal.show_training(trained)


@click.command()
@click.argument("name")
@click.option("--dataset", help="This data set alone.  [default: those of the paper]")
@click.option("--network", help="NAME or NAME:PARAMETER=VALUE,...")
@click.option("--samples", help="Images: a number, or all.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--set", "settings", multiple=True, help="PARAMETER=VALUE of the study.")
@click.option("--quick", is_flag=True, help="A small size, for a first look.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.")
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
    """Run one of the paper's analyses: tidy tables and figures in a folder.

    `bench list` has the names, and the parameters that --set takes.
    """
    from benchmark.cli import terminal
    from benchmark.execution.environment import resolve_device
    from benchmark.runs.run import RUNS
    from benchmark.studies.cache import run_study
    from benchmark.studies.registry import STUDIES
    from benchmark.studies.request import make_request
    from estimators.errors import unknown
    from estimators.spec import parse_spec

    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    params = parse_spec(f"{name}:{','.join(settings)}").kwargs
    if samples is not None:
        wanted = samples_of(samples)
        params["samples"] = sys.maxsize if wanted == "all" else wanted
    options["device"] = resolve_device(options["device"])
    spec = None if network is None else parse_spec(network)
    with terminal.doing(name) as tell:
        request = make_request(STUDIES[name], dataset, spec, params, tell=tell, **options)
        done = run_study(name, request, out or RUNS / f"study-{name}")
    terminal.show_study(done)


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes: a few minutes, for a first look.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.")
@data_dir
@device
def paper(**options: Any) -> None:
    """Repeat the whole paper: its grid, its studies, and a verdict on each of its claims.

    The same command again continues: what is stored, trained or computed is reused.
    """
    from benchmark.cli import terminal
    from benchmark.studies.paper import run_paper

    with terminal.progress() as progress:
        found = run_paper(progress=progress, **options)
    terminal.show_paper(found)
    skipped = found.skipped or len(found.grid.skipped)
    failed = found.failed or len(found.grid.failed)
    sys.exit(EXIT_FAILED if failed else EXIT_SKIPPED if skipped else 0)
