"""`bench list`."""

from __future__ import annotations

import click


@click.command("list")
def list_() -> None:
    """List attacks, threats, defences, networks, data sets, grids and studies."""
    from benchmark.cli.catalogue import catalogue
    from benchmark.cli.show import show_catalogue

    show_catalogue(catalogue())
