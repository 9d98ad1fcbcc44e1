"""`bench train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import NETWORK_HELP, PATH, data_dir, device, seed_option, written
from benchmark.execution.environment import resolve_device
from benchmark.terminal.console import say
from benchmark.terminal.progress_bars import run_progress
from estimators.data.known import check_dataset
from estimators.networks.known import check_network
from estimators.spec import parse_spec
from estimators.training_spec import with_training
from estimators.writable import check_new_file

if TYPE_CHECKING:
    from estimators.networks.given import Trained


@click.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", required=True)
@click.option("--epochs", type=int, help="Passes over the data.  [default: the recipe's]")
@click.option("--adversarial", help="Defence in training: pgd or jpeg, or pgd:eps=VALUE,...")
@seed_option
@click.option(
    "--out", type=PATH, callback=written(check_new_file), help="File.  [default: in the cache]"
)
@click.option("--force", is_flag=True, help="Overwrite another file of --out and those beside it.")
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
    """Train a network.

    If the same training was done before, its network is loaded.
    """
    spec = parse_spec(network)
    if adversarial is not None:
        spec = with_training(spec, parse_spec(adversarial))
    check_network(spec)
    check_dataset(dataset)
    with run_progress() as progress:
        # only now: they import torch, which takes seconds
        from benchmark.execution.memory import keep_memory
        from estimators.training.checkpoints import CURVES, HISTORY, SHIPPED
        from estimators.training.recipes import recipe_for
        from estimators.training.train_or_load import train_or_load
        from reports.plots.training import draw_training
        from reports.results.csv_file import read_table

        options["device"] = resolve_device(options["device"])
        total = recipe_for(dataset, spec, epochs).epochs
        progress.restart()
        progress.step("reading data")

        told = [""]

        def on_share(share: float) -> None:
            progress.step(told[0])
            progress.place(f"epoch {min(total, int(share * total) + 1)} of {total}")
            progress.share(share)

        def on_epoch(row: dict[str, float]) -> None:
            accuracies = row["train_accuracy"], row["test_accuracy"]
            told[0] = "accuracy {:.3f} in training, {:.3f} in testing".format(*accuracies)

        keep_memory()
        options |= {"on_epoch": on_epoch, "on_share": on_share}
        trained = train_or_load(dataset, spec, epochs, seed, **options)
        curves = trained.path.with_suffix(CURVES)
        # a command that stopped before its curves is completed by the same one
        lacking = trained.path.parent != SHIPPED and not curves.exists()
        if not trained.reused or (lacking and trained.path.with_suffix(HISTORY).is_file()):
            progress.step("drawing the curves")
            history = read_table(trained.path.with_suffix(HISTORY), "history")
            draw_training(history, f"{spec} on {dataset}, seed {seed}", curves)
    _show(trained)


def _show(trained: Trained) -> None:
    """Print the accuracy of a training and where its files are."""
    verb = "loaded, trained before" if trained.reused else "trained"
    from estimators.training.checkpoints import CURVES, HISTORY
    from estimators.training.precision import other_precision

    how = other_precision(trained.metadata)
    say(f"{verb}{how}: test accuracy {trained.metadata['test_accuracy']:.4f}")
    say(f"weights: {trained.path}")
    for suffix in (HISTORY, CURVES):
        beside = trained.path.with_suffix(suffix)
        if beside.is_file():
            say(f"         {beside}")
