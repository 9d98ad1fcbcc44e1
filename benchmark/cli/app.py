"""The command `bench`: its commands, and errors as one line with an exit code."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from benchmark.cli.computing import paper, run, study, train
from benchmark.cli.reading import compare, report
from benchmark.cli.telling import init, list_, speed, summary
from benchmark.execution.errors import ClusterLost
from benchmark.version import __version__
from estimators.errors import InputError
from reports.errors import TableError

EXIT_BAD_INPUT = 2
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


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """How robust is a network really? Attacks, defences and numbers that can be trusted."""


for _command in (run, train, study, paper, summary, compare, report, speed, init, list_):
    main.add_command(_command)
