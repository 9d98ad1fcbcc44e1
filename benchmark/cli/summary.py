"""`bench summary`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import NETWORK_HELP, data_dir
from estimators.spec import parse_spec


@click.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", default="mnist", show_default=True)
@data_dir
def summary(network: str, dataset: str, data_dir: Path | None) -> None:
    """Print a network's layers: output shape and parameters, as Keras counts them."""
    from benchmark.cli.show import show_layers
    from estimators.data.registry import image_shape
    from estimators.networks.registry import build_network

    shape, classes = image_shape(dataset, data_dir)
    show_layers(build_network(parse_spec(network), shape, classes), shape)
