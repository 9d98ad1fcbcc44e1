"""`bench list`."""

from __future__ import annotations

import click

from benchmark.cli.catalogue import KINDS, kind_of, library_catalogue
from benchmark.cli.show import as_text_table, show_kinds, show_rows
from estimators.errors import InputError
from reports.style.table_text import FORMATS


@click.command("list")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option("--schema", is_flag=True, help="Print the JSON schema of grid files, for editors.")
@click.option(
    "--attack", metavar="LIBRARY:", help="List the attacks of a library, such as `foolbox:`."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", *FORMATS]),
    default="table",
    show_default=True,
    help="How the names are printed.",
)
def list_(kind: str | None, schema: bool, attack: str | None, form: str) -> None:
    """List the names that grids and commands take.

    Without KIND it lists the kinds: attacks, threats, defences, networks, datasets, certificates,
    grids, studies. Installed plug-ins are listed too.
    """
    if schema:
        # only now: it takes half a second
        from benchmark.grids.schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    if kind is None and attack is None:
        if form != "table":
            raise InputError(f"--format {form}: needs a kind, such as `bench list attacks`")
        show_kinds(KINDS)
        return
    if attack is not None:
        if kind is not None and kind_of(kind) is not KINDS["attacks"]:
            raise InputError("--attack: lists attacks; leave out the kind")
        (listed,) = library_catalogue(attack).items()
    else:
        chosen = kind_of(str(kind))
        listed = chosen.title, chosen.rows()
    if form == "table":
        show_rows(*listed)
    else:
        click.echo(FORMATS[form](as_text_table(*listed)), nl=False)
