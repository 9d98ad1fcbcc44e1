"""What several commands share: options, and what their values mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from estimators.errors import InputError

data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="BENCH_DATA_DIR",
    help="Folder of data sets: torchvision's files, or NAME.npz. [env: BENCH_DATA_DIR]",
)
NETWORK_HELP = "NAME, NAME:PARAMETER=VALUE,..., torchvision:NAME or package.module:factory."
device = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")


def write(text: str, out: Path | None) -> None:
    """Write a text to the file of `--out`, or print it."""
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot be written ({error.strerror}); name another"
        ) from error


def with_weights(networks: list[Any], weights: Path | None) -> list[Any]:
    """The one network of the command line with the file that `--weights` names."""
    from estimators.spec import Spec

    if weights is None:
        return networks
    if len(networks) != 1:
        raise InputError("--weights: belongs to one --network; write NAME:weights=FILE for several")
    (network,) = networks
    return [Spec.of(network.name, network.kwargs, weights=str(weights))]


def samples_of(text: str) -> Any:
    """What `--samples` says: a number, or all."""
    if text == "all":
        return "all"
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"--samples: a number from 1 up, or all, wanted; found {text!r}")
    return int(text)
