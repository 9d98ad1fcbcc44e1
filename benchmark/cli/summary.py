"""`bench summary`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from benchmark.cli.options import NETWORK_HELP, data_dir
from benchmark.terminal.console import console, say
from estimators.data.load import image_shape
from estimators.networks.build import build_network
from estimators.networks.layer_table import LayerRow, count_parameters, layer_table
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
    _show(layer_table(module, shape), *count_parameters(module))


def _show(layers: Sequence[LayerRow], trainable: int, fixed: int) -> None:
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
