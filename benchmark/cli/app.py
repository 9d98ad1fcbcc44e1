"""The command `bench`: its commands, and errors as one line with an exit code."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from benchmark.cli import exit_codes
from benchmark.cli.compare import compare
from benchmark.cli.init import init
from benchmark.cli.list import list_
from benchmark.cli.paper import paper
from benchmark.cli.report import report
from benchmark.cli.run import run
from benchmark.cli.speed import speed
from benchmark.cli.study import study
from benchmark.cli.summary import summary
from benchmark.cli.train import train
from benchmark.execution.errors import ClusterLost
from benchmark.version import __version__
from estimators.errors import InputError
from reports.errors import TableError


class _BadInput(click.ClickException):
    """An error that is shown as one line."""

    exit_code = exit_codes.BAD_INPUT

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class _ClusterLost(_BadInput):
    """The cluster went away."""

    exit_code = exit_codes.CLUSTER_LOST


class _Group(click.Group):
    """Show errors that the user can fix as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InputError, TableError) as error:
            raise _BadInput(str(error)) from error
        except ClusterLost as error:
            raise _ClusterLost(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head`: click handles it
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _BadInput(
                f"{where}{error.strerror or error}; fix that (space, permissions, names), and the"
                " same command continues with what is stored"
            ) from error
        except MemoryError as error:
            raise _BadInput(
                "out of memory; finished cells are kept: the same command with fewer --threads,"
                " or a grid with fewer --samples, needs less"
            ) from error
        except KeyboardInterrupt:
            click.echo("\nstopped; finished cells are kept, the same command continues", err=True)
            sys.exit(exit_codes.INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Measure how robust an image classifier is to adversarial attacks, with and without defences.

    `bench run` runs a grid of networks, attacks and defences; `bench list` shows what it can name.
    """


for _command in (run, train, study, paper, summary, compare, report, speed, init, list_):
    main.add_command(_command)
