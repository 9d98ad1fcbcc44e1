"""`bench list`."""

from __future__ import annotations

import click

from benchmark.cli.catalogue import catalogue, library_catalogue
from benchmark.cli.show import show_catalogue
from benchmark.grids.schema import schema_text


@click.command("list")
@click.option("--schema", is_flag=True, help="Print the JSON schema of grid files, for editors.")
@click.option(
    "--attack", metavar="LIBRARY:", help="List the attacks of a library, such as `foolbox:`."
)
def list_(schema: bool, attack: str | None) -> None:
    """List what a grid can name, grids and studies; plug-ins too."""
    if attack is not None:
        show_catalogue(library_catalogue(attack))
    elif schema:
        click.echo(schema_text(), nl=False)
    else:
        show_catalogue(catalogue())
