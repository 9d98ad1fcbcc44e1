"""`bench summary`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import (
    NETWORK_HELP,
    OUT_FILE,
    PATH,
    VARIANTS,
    data_dir,
    warn_unfinished,
    write_text,
)
from benchmark.terminal.console import console, say, styled
from estimators.errors import InputError
from estimators.networks.known import check_network
from estimators.spec import parse_spec

if TYPE_CHECKING:
    from estimators.networks.layer_table import LayerRow
    from reports.style.table_text import TextTable

VIEWS, FORMATS = ["cell", "class", "confusion"], ["table", "csv", "markdown", "latex"]
BY_HELP = "Rows of a run: per cell, per class, or the wrong classes under attack."
FORMAT_HELP = "How a run is printed. CSV has all columns; LaTeX needs booktabs."
WHERE_HELP = f"Rows of these cells alone: 'dataset=mnist attack=fgsm,pgd eps<=0.1'; {VARIANTS}"


@click.command()
@click.argument("run", required=False, type=PATH)
@click.option("--by", type=click.Choice(VIEWS), default="cell", show_default=True, help=BY_HELP)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help=FORMAT_HELP,
)
@click.option("--where", default="", metavar="CONDITIONS", help=WHERE_HELP)
@click.option("--out", type=PATH, callback=OUT_FILE, help="File to write instead of printing.")
@click.option("--network", help=NETWORK_HELP)
@click.option("--dataset", default="mnist", show_default=True, help="Data set of the network.")
@data_dir
def summary(
    run: Path | None,
    by: str,
    form: str,
    where: str,
    out: Path | None,
    network: str | None,
    dataset: str,
    data_dir: Path | None,
) -> None:
    """Print the table of a run, or the layers of a network.

    RUN is a run directory or a results CSV. The layers of --network have their output shapes and
    their parameters, as Keras counts them.
    """
    if (run is None) == (network is None):
        raise InputError("expected a run directory or --network, one of the two")
    if run is not None:
        from reports.classes.summary import VIEWS as TABLES
        from reports.classes.summary import csv_of

        warn_unfinished(run)

        if form == "csv":
            write_text(csv_of(run, by, where), out)
        else:
            _show_run(TABLES[by](run, where), form, out)
        return
    if form != "table" or by != "cell" or where or out is not None:
        raise InputError("--by, --format, --where and --out: are for a run; name its directory")
    assert network is not None
    _show_network(network, dataset, data_dir)


def _show_run(table: TextTable, form: str, out: Path | None) -> None:
    """Print the table of a run, or write it."""
    from reports.style.table_text import FORMATS as WRITERS

    if form != "table":
        write_text(WRITERS[form](table), out)
        return
    if out is not None:
        raise InputError(f"--out {out}: needs --format csv, markdown or latex")
    from benchmark.cli.show_run import show_cells

    show_cells(table)


def _show_network(network: str, dataset: str, data_dir: Path | None) -> None:
    """Print the layers of a network."""
    from estimators.data.known import check_dataset

    spec = parse_spec(network)
    check_network(spec)
    check_dataset(dataset)
    # only now: they import torch, which takes seconds
    from estimators.data.load import image_shape
    from estimators.networks.build import build_network
    from estimators.networks.layer_table import count_parameters, layer_table

    shape, classes = image_shape(dataset, data_dir)
    module = build_network(spec, shape, classes)
    _show(layer_table(module, shape), *count_parameters(module))


def _show(layers: Sequence[LayerRow], trainable: int, fixed: int) -> None:
    """Print a layer table with its totals (the paper's Figures 29 to 31).

    layers: as `layer_table` returns them. trainable, fixed: numbers of parameters.
    """
    from rich.table import Table

    table = Table("layer", "output shape", show_edge=False)
    table.add_column("parameters", justify="right")
    for row in layers:
        size = " x ".join(str(s) for s in row["output_shape"])
        table.add_row(styled(row["layer"]), size, f"{row['parameters']:,}")
    console.print(table)
    say(f"total parameters:         {trainable + fixed:,}")
    say(f"trainable parameters:     {trainable:,}")
    say(f"non-trainable parameters: {fixed:,}")
