"""`bench summary`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import NETWORK_HELP, data_dir
from benchmark.cli.show import show_layers
from estimators.data.load import image_shape
from estimators.networks.build import build_network
from estimators.networks.layer_table import count_parameters, layer_table
from estimators.spec import parse_spec


@click.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", default="mnist", show_default=True)
@data_dir
def summary(network: str, dataset: str, data_dir: Path | None) -> None:
    """Print the layers of a network.

    Each with its output shape and its parameters, as Keras counts them.
    """
    shape, classes = image_shape(dataset, data_dir)
    module = build_network(parse_spec(network), shape, classes)
    show_layers(layer_table(module, shape), *count_parameters(module))
