"""Commands that tell of the harness itself: its names, layers and speed, a first grid file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import NETWORK_HELP, data_dir, with_weights, write


@click.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", default="mnist", show_default=True)
@data_dir
def summary(network: str, dataset: str, data_dir: Path | None) -> None:
    """Print a network's layers: output shape and parameters, as Keras counts them."""
    from benchmark.cli import terminal
    from estimators.data.registry import image_shape
    from estimators.networks.registry import build_network
    from estimators.spec import parse_spec

    shape, classes = image_shape(dataset, data_dir)
    terminal.show_layers(build_network(parse_spec(network), shape, classes), shape)


@click.command()
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True)
@click.option("--only", default="", help="Lines whose name has this; or memory.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write a JSON file.")
@data_dir
def speed(repeat: int, only: str, json_file: Path | None, data_dir: Path | None) -> None:
    """Time the harness against the plain ART loop and its peers, alternately, on MNIST."""
    import json

    from benchmark.cli import terminal
    from benchmark.execution.environment import machine, package_versions
    from benchmark.speed.measure import as_json, measure

    if only == "memory":
        from benchmark.speed.memory import peaks

        for count, megabytes in peaks():
            click.echo(f"{count:7,} images of 28x28: peak {megabytes:,.0f} MB")
        return
    lines = []
    for line in measure(data_dir, repeat, only):
        lines.append(line)
        terminal.show_speed_line(line)
    if json_file is not None:
        content = {
            "machine": machine("cpu", 2),
            "versions": package_versions(),
            "repeat": repeat,
            "lines": as_json(lines),
        }
        write(json.dumps(content, indent=2) + "\n", json_file)


@click.command()
@click.option("--network", default="lenet", show_default=True, help=NETWORK_HELP)
@click.option("--weights", type=click.Path(path_type=Path), help="Its weights: a file.")
@click.option("--dataset", default="digits", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default="grid.yaml", show_default=True)
@click.option("--force", is_flag=True, help="Write over an existing file.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of grid files and stop.")
@data_dir
def init(network: str, weights: Path | None, dataset: str, schema: bool, **options: Any) -> None:
    """Write a commented grid file for your network and data set."""
    from benchmark.grids.scaffold import schema_text, write_grid
    from estimators.spec import parse_spec

    if schema:
        click.echo(schema_text(), nl=False)
        return
    (spec,) = with_weights([parse_spec(network)], weights)
    written = write_grid(spec, dataset, path=options.pop("out"), **options)
    click.echo(f"wrote {written.path}; run it with: {written.command}")


@click.command("list")
def list_() -> None:
    """List attacks, threats, defences, networks, data sets, grids and studies."""
    from benchmark.cli import terminal

    terminal.show_lists()
