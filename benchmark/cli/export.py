"""`bench export`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.options import OUT_FILE, PATH, warn_unfinished, write_text
from estimators.errors import number
from estimators.yaml_values import read_number
from reports.exports.model_card import model_card
from reports.exports.record import read_record
from reports.exports.robustbench import model_info

ROBUSTBENCH, CARD = "robustbench", "model-card"
FORMAT_HELP = "RobustBench's model_info JSON, or a section of a Hugging Face model card."


@click.command()
@click.argument("directory", type=PATH)
@click.option(
    "--format", "form", type=click.Choice([ROBUSTBENCH, CARD]), required=True, help=FORMAT_HELP
)
@click.option("--network", help="The network, where the run has several.")
@click.option("--dataset", help="The data set, where the run has several.")
@click.option("--norm", help="Norm of the budget, such as inf.")
@click.option("--eps", help="The budget, such as 8/255.")
@click.option("--out", type=PATH, callback=OUT_FILE, help="File to write; printed without it.")
def export(
    directory: Path,
    form: str,
    network: str | None,
    dataset: str | None,
    norm: str | None,
    eps: str | None,
    out: Path | None,
) -> None:
    """Write a run for RobustBench, or for a model card."""
    record = read_record(directory).only(network, dataset)
    warn_unfinished(directory)
    budget = None if eps is None else number("--eps", read_number(eps), 0)
    write = model_card if form == CARD else model_info
    write_text(write(record, norm, budget), out)
