"""What several commands share: options, and what their values mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import click

from benchmark.execution.environment import check_device
from estimators.data.samples import Samples, checked_samples
from estimators.errors import InputError, whole
from estimators.spec import Spec
from estimators.writable import check_file, check_folder
from estimators.yaml_values import read_number
from reports.errors import TableError
from reports.results.atomic import replace_text
from reports.results.unfinished import NOTE, is_unfinished
from reports.style.plain_text import plain


class _Path(click.Path):
    """A path that a file can have: not empty, without NUL, and in the system's encoding."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fsdecode(value)
        problem = "is empty" if not text else ""
        if "\0" in text:
            problem = f"{text!r} has a NUL character"
        try:
            os.fsencode(text)
        except UnicodeEncodeError:
            problem = f"{text!r} is no text that a file name can hold"
        if problem:
            name = param.opts[0] if param is not None else "path"
            raise InputError(f"{name}: {problem}; name a file or a folder")
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
REPLACE_HELP = "Replace the table of another grid in --out; its results stay stored."
# of conditions on rows
VARIANTS = "network=lenet has lenet[...] too, network=lenet[] has not."
NETWORK_HELP = "NAME, NAME:PARAMETER=VALUE,..., torchvision:NAME or package.module:factory."
data_dir = click.option(
    "--data-dir",
    type=PATH,
    envvar="BENCH_DATA_DIR",
    help="Folder of data sets: torchvision's files, or NAME.npz. [env: BENCH_DATA_DIR]",
)


def whole_from(
    low: int, high: int
) -> Callable[[click.Context, click.Parameter, int | None], int | None]:
    """Return a callback for an option: InputError unless its integer is from low to high."""

    def check(context: click.Context, param: click.Parameter, value: int | None) -> int | None:
        return None if value is None else whole(param.opts[0], value, low, high)

    return check


def written(
    check: Callable[[Path, str], None],
) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """Return a callback for an option: InputError, before any work, unless its path can be written.

    check: a function of `estimators.writable`.
    """

    def checked(context: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        if value is not None:
            check(value, f"{param.opts[0]} {value}")
        return value

    return checked


OUT_FILE, OUT_FOLDER = written(check_file), written(check_folder)
# the range of NumPy's RandomState
SEEDS = whole_from(0, 2**32 - 1)
seed_option = click.option("--seed", type=int, default=0, show_default=True, callback=SEEDS)


def _device(context: click.Context, param: click.Parameter, value: str) -> str:
    check_device(value)
    return value


DEVICE_HELP = "auto, cpu or cuda."
device = click.option(
    "--device", default="auto", show_default=True, callback=_device, help=DEVICE_HELP
)


def write_text(text: str, out: Path | None) -> None:
    """Write a text to the file of `--out`, whole or not at all, or print it."""
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        replace_text(Path(os.path.realpath(out)), text)  # a link stays one
    except TableError as error:
        why = getattr(error.__cause__, "strerror", error)
        raise InputError(f"--out {out}: cannot be written ({why}); name another file") from error


def warn_unfinished(*runs: Path) -> None:
    """Warn on standard error of run directories whose files may be of two runs."""
    for run in runs:
        if is_unfinished(run):
            click.echo(plain(f"warning: {run}: {NOTE}"), err=True)


def with_weights(networks: Sequence[Spec], weights: Path | None) -> Sequence[Spec]:
    """Return the networks; the only one with the file of `--weights` where that is given."""
    if weights is None:
        return networks
    if len(networks) != 1:
        needed = "needs exactly one --network; write NAME:weights=FILE for several"
        raise InputError(f"--weights: {needed}")
    return [Spec.of(networks[0].name, networks[0].kwargs, weights=str(weights))]


def parse_samples(text: str) -> Samples:
    """Return the value of `--samples`: a number in any form, or another choice of images."""
    try:
        value: object = read_number(text.strip())
    except InputError:
        value = text
    return checked_samples(value, "--samples")


def parse_count(text: str) -> int | Literal["all"]:
    """Return the value of a `--samples` that takes a number of images, or `all`."""
    count = parse_samples(text)
    if isinstance(count, int):
        return count
    if count == "all":
        return "all"
    raise InputError(f"--samples: expected a number of at least 1, or all, got {text!r}")
