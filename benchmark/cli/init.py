"""`bench init`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import NETWORK_HELP, PATH, data_dir, with_weights
from benchmark.grids.scaffold import write_grid
from benchmark.grids.schema import schema_text
from benchmark.terminal.console import say
from estimators.spec import parse_spec


@click.command()
@click.option("--network", default="lenet", show_default=True, help=NETWORK_HELP)
@click.option("--weights", type=PATH, help="File with its weights.")
@click.option("--dataset", default="digits", show_default=True, help="Name of a data set.")
@click.option("--out", type=PATH, default="grid.yaml", show_default=True, help="The file.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of grid files and stop.")
@data_dir
def init(
    network: str, weights: Path | None, dataset: str, schema: bool, out: Path, **options: Any
) -> None:
    """Write a first grid file.

    The file has comments, and samples and eps that suit the network and the data set.
    """
    if schema:
        click.echo(schema_text(), nl=False)
        return
    (spec,) = with_weights([parse_spec(network)], weights)
    grid_file = write_grid(spec, dataset, out, **options)
    say(f"wrote {grid_file.path}; run it with: {grid_file.command}")
