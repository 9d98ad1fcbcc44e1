"""The command line: parse, call, render."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path
from typing import Any

import click

from benchmark.remote import ClusterLost
from benchmark.version import __version__
from estimators.errors import InputError
from reports.tables import TableError

EXIT_BAD_INPUT = 2
EXIT_SKIPPED = 3
EXIT_FAILED = 4
EXIT_LOST = 5


class _Told(click.ClickException):
    """Bad input: one line, exit code 2."""

    exit_code = EXIT_BAD_INPUT


class _Lost(click.ClickException):
    """The cluster went away: one line that says how to continue."""

    exit_code = EXIT_LOST


class _Group(click.Group):
    """Turns errors that the user can mend into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InputError, TableError) as error:
            raise _Told(" ".join(str(error).split())) from error
        except ClusterLost as error:
            raise _Lost(" ".join(str(error).split())) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head`: click's own business
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _Told(
                f"{where}{error.strerror or error}; mend that (room, rights, names), and the same"
                " command continues with what is stored"
            ) from error
        except MemoryError as error:
            raise _Told(
                "out of memory; what was finished is kept: the same command with fewer --threads,"
                " or a grid with fewer --samples, needs less"
            ) from error
        except KeyboardInterrupt:
            click.echo("\nstopped; what was finished is kept, the same command continues", err=True)
            sys.exit(130)


data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="BENCH_DATA_DIR",
    help="Folder of data sets: torchvision's files, or NAME.npz. [env: BENCH_DATA_DIR]",
)
NETWORK_HELP = "NAME, NAME:PARAMETER=VALUE,..., torchvision:NAME or package.module:factory."
device = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """How robust is a network really? Attacks, defences and numbers that can be trusted."""


@main.command()
@click.option("--grid", "grid_name", default="quick", show_default=True, help="Name or YAML file.")
@click.option("--dataset", "datasets", multiple=True, help="Only, or instead, this data set.")
@click.option("--network", "networks", multiple=True, help=NETWORK_HELP)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights of that network: a file.")
@click.option("--attack", "attacks", multiple=True, help="NAME or NAME:eps=VALUE,...")
@click.option("--threat", "threats", multiple=True, help="NAME or NAME:PARAMETER=VALUE")
@click.option("--defence", "defences", multiple=True, help="NAME or NAME:PARAMETER=VALUE,...")
@click.option("--samples", help="Images: a number, or all.")
@click.option("--seed", type=int, help="Seed of the subset and of what is random in an attack.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.")
@click.option("--threads", type=int, help="Worker threads.  [default: measured]")
@click.option("--workers", type=int, help="Compute on so many processes of this machine (Dask).")
@click.option("--scheduler", metavar="ADDRESS", help="Join a Dask cluster, tcp://HOST:8786.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Results to compare with.")
@click.option("--retry-failed", is_flag=True, help="Compute failed cells again.")
@click.option("--trust-pickle", is_flag=True, help="Run the code in a .pt file that wants to.")
@click.option("--allow-import", is_flag=True, help="Import what the grid file names as code.")
@data_dir
@device
def run(
    grid_name: str,
    datasets: tuple[str, ...],
    networks: tuple[str, ...],
    attacks: tuple[str, ...],
    threats: tuple[str, ...],
    defences: tuple[str, ...],
    samples: str | None,
    seed: int | None,
    weights: Path | None,
    allow_import: bool,
    **options: Any,
) -> None:
    """Run a grid: tables, plots and a summary.

    Options that name data sets, networks, attacks, threats or defences narrow the grid where it has
    them, and take the place of its own where it does not. The same command again continues.
    """
    from benchmark import terminal
    from benchmark.grid import load_grid, narrowed
    from benchmark.run import run as run_it
    from estimators.spec import parse_spec

    grid = narrowed(
        load_grid(grid_name, allow_import),
        datasets=datasets,
        networks=_with_weights([parse_spec(text) for text in networks], weights),
        attacks=[parse_spec(text) for text in attacks],
        threats=[parse_spec(text) for text in threats],
        defences=[parse_spec(text) for text in defences],
        samples=None if samples is None else _samples(samples),
        seed=seed,
    )
    with terminal.progress() as progress:
        result = run_it(grid, progress=progress, **options)
    terminal.show_result(result)
    sys.exit(EXIT_FAILED if len(result.failed) else EXIT_SKIPPED if len(result.skipped) else 0)


@main.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", required=True)
@click.option("--epochs", type=int, help="Passes over the data.  [default: the recipe's]")
@click.option("--adversarial", help="Defence in training: pgd or jpeg, or pgd:eps=VALUE,...")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="File.  [default: in the cache]")
@data_dir
@device
def train(
    network: str, dataset: str, epochs: int | None, adversarial: str | None, seed: int,
    **options: Any,
) -> None:  # fmt: skip
    """Train a network, or load it where the same training was done before."""
    from benchmark import terminal
    from benchmark.engine import chosen_device
    from estimators.adversarial import with_training
    from estimators.checkpoints import obtain, read_history
    from estimators.spec import parse_spec
    from estimators.training import recipe_for
    from reports.plots import draw_training

    spec = parse_spec(network)
    if adversarial is not None:
        spec = with_training(spec, parse_spec(adversarial))
    options["device"] = chosen_device(options["device"])
    total = recipe_for(dataset, spec, epochs).epochs
    with terminal.epochs(total) as on_epoch:
        trained = obtain(dataset, spec, epochs, seed, on_epoch=on_epoch, **options)
    if not trained.reused:
        curves = trained.path.with_suffix(".curves.png")
        draw_training(read_history(trained.path), f"{spec} on {dataset}, seed {seed}", curves)
    terminal.show_training(trained)


@main.command()
@click.argument("name")
@click.option("--dataset", help="This data set alone.  [default: those of the paper]")
@click.option("--network", help="NAME or NAME:PARAMETER=VALUE,...")
@click.option("--samples", help="Images: a number, or all.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--set", "settings", multiple=True, help="PARAMETER=VALUE of the study.")
@click.option("--quick", is_flag=True, help="A small size, for a first look.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.")
@data_dir
@device
def study(
    name: str, dataset: str | None, network: str | None, samples: str | None,
    settings: tuple[str, ...], out: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Run one of the paper's analyses: tidy tables and figures in a folder."""
    from benchmark import terminal
    from benchmark.engine import chosen_device
    from benchmark.run import RUNS
    from benchmark.studies.catalogue import STUDIES
    from benchmark.studies.run import run_study
    from benchmark.studies.study import asked
    from estimators.errors import unknown
    from estimators.spec import parse_spec

    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    params = parse_spec(f"{name}:{','.join(settings)}").kwargs
    if samples is not None:
        wanted = _samples(samples)
        params["samples"] = sys.maxsize if wanted == "all" else wanted
    options["device"] = chosen_device(options["device"])
    spec = None if network is None else parse_spec(network)
    with terminal.doing(name) as tell:
        ask = asked(STUDIES[name], dataset, spec, params, tell=tell, **options)
        done = run_study(name, ask, out or RUNS / f"study-{name}")
    terminal.show_study(done)


@main.command()
@click.option("--quick", is_flag=True, help="Small sizes: a few minutes, for a first look.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.")
@data_dir
@device
def paper(**options: Any) -> None:
    """Repeat the whole paper: its grid, its studies, and a verdict on each of its claims.

    The same command again continues: what is stored, trained or computed is reused.
    """
    from benchmark import terminal
    from benchmark.studies.paper import run_paper

    with terminal.progress() as progress:
        found = run_paper(progress=progress, **options)
    terminal.show_paper(found)
    skipped = found.skipped or len(found.grid.skipped)
    failed = found.failed or len(found.grid.failed)
    sys.exit(EXIT_FAILED if failed else EXIT_SKIPPED if skipped else 0)


@main.command()
@click.option("--network", required=True, help=NETWORK_HELP)
@click.option("--dataset", default="mnist", show_default=True)
@data_dir
def summary(network: str, dataset: str, data_dir: Path | None) -> None:
    """Print a network's layers: output shape and parameters, as Keras counts them."""
    from benchmark import terminal
    from estimators.datasets import image_shape
    from estimators.networks import build_network
    from estimators.spec import parse_spec

    shape, classes = image_shape(dataset, data_dir)
    terminal.show_layers(build_network(parse_spec(network), shape, classes), shape)


@main.command()
@click.argument(
    "runs", nargs=-1, required=True, metavar="A B [C]...", type=click.Path(path_type=Path)
)
@click.option("--force", is_flag=True, help="Compare what is not comparable, with a warning.")
@click.option(
    "--correction", type=click.Choice(["bh", "holm", "none"]), default="bh", show_default=True,
    help="For the number of cells: Benjamini-Hochberg or Holm.",
)  # fmt: skip
@click.option(
    "--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95,
    show_default=True, help="Confidence.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "markdown", "json", "html"]),
    default="table", show_default=True,
)  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), help="Draw: .png, .svg or .pdf.")
@click.option("--out", type=click.Path(path_type=Path), help="Write there instead of printing.")
@click.option("--fail-on", type=click.Choice(["worse"]), help="Exit 1 on a drop or missing cells.")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.0, show_default=True)
def compare(
    runs: tuple[Path, ...], plot: Path | None, form: str, out: Path | None, fail_on: str | None,
    tolerance: float, **options: Any,
) -> None:  # fmt: skip
    """Compare runs with the first one: results CSVs or run directories."""
    from rich.console import Console

    from reports.compare import compare as compare_runs
    from reports.compare import failures
    from reports.compare_render import FORMATS, as_table

    found = compare_runs(*runs, **options)
    if plot is not None:
        from reports.compare_plot import write_plot

        write_plot(found, plot)
    if form != "table":
        _write(FORMATS[form](found), out)
    elif out is None:
        Console().print(as_table(found))
    else:
        page = Console(file=io.StringIO(), width=120)
        page.print(as_table(found, limit=None))
        _write(page.file.getvalue(), out)  # type: ignore[attr-defined]
    reasons = failures(found, tolerance) if fail_on else ()
    for reason in reasons:
        click.echo(reason, err=True)
    sys.exit(1 if reasons else 0)


@main.command()
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True)
@click.option("--only", default="", help="Lines whose name has this; or memory.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write a JSON file.")
@data_dir
def speed(repeat: int, only: str, json_file: Path | None, data_dir: Path | None) -> None:
    """Time the harness against the plain ART loop and its peers, alternately, on MNIST."""
    import json

    from benchmark import terminal
    from benchmark.manifest import machine, package_versions
    from benchmark.speed import as_json, measure

    if only == "memory":
        from benchmark.memory_use import peaks

        for count, megabytes in peaks():
            click.echo(f"{count:7,} images of 28x28: peak {megabytes:,.0f} MB")
        return
    lines = []
    for line in measure(data_dir, repeat, only):
        lines.append(line)
        terminal.show_speed_line(line)
    if json_file is not None:
        content = {
            "machine": machine("cpu", 2), "versions": package_versions(),
            "repeat": repeat, "lines": as_json(lines),
        }  # fmt: skip
        _write(json.dumps(content, indent=2) + "\n", json_file)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="Results CSV or run directory.")
def report(directory: Path, baseline: Path | None) -> None:
    """Write the audit and the page of a run directory anew."""
    from benchmark import terminal
    from reports.audit import write_audit
    from reports.page import write_page

    findings = write_audit(directory)
    path = write_page(directory, baseline)
    terminal.show_audit(findings)
    click.echo(path)


@main.command()
@click.option("--network", default="lenet", show_default=True, help=NETWORK_HELP)
@click.option("--weights", type=click.Path(path_type=Path), help="Its weights: a file.")
@click.option("--dataset", default="digits", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default="grid.yaml", show_default=True)
@click.option("--force", is_flag=True, help="Write over an existing file.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of grid files and stop.")
@data_dir
def init(network: str, weights: Path | None, dataset: str, schema: bool, **options: Any) -> None:
    """Write a commented grid file for your network and data set."""
    from benchmark.init import schema_text, write_grid
    from estimators.spec import parse_spec

    if schema:
        click.echo(schema_text(), nl=False)
        return
    (spec,) = _with_weights([parse_spec(network)], weights)
    written = write_grid(spec, dataset, path=options.pop("out"), **options)
    click.echo(f"wrote {written.path}; run it with: {written.command}")


@main.command("list")
def list_() -> None:
    """List attacks, defences, networks, data sets and grids."""
    from benchmark import terminal

    terminal.show_lists()


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot be written ({error.strerror}); name another"
        ) from error


def _with_weights(networks: list[Any], weights: Path | None) -> list[Any]:
    """The one network of the command line with the file that `--weights` names."""
    from estimators.spec import Spec

    if weights is None:
        return networks
    if len(networks) != 1:
        raise InputError("--weights: belongs to one --network; write NAME:weights=FILE for several")
    (network,) = networks
    return [Spec.of(network.name, network.kwargs, weights=str(weights))]


def _samples(text: str) -> Any:
    if text == "all":
        return "all"
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"--samples: a number from 1 up, or all, wanted; found {text!r}")
    return int(text)
