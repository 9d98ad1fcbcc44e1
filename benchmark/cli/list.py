"""`bench list`."""

from __future__ import annotations

import click

from benchmark.cli.catalogue import catalogue
from benchmark.cli.show import show_catalogue


@click.command("list")
def list_() -> None:
    """List what a grid can name, grids and studies."""
    show_catalogue(catalogue())
