"""The command `bench`: its commands, and errors as one line with an exit code."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import click

from benchmark.cli import exit_codes
from benchmark.execution.errors import ClusterLost
from benchmark.terminal.leaving import STOPPED, ended_by_ctrl_c, leave
from benchmark.terminal.streams import print_any_text
from benchmark.version import __version__
from estimators.entries import Entry, table
from estimators.errors import InputError, class_and_line
from estimators.user_cache import user_cache
from reports.errors import TableError
from reports.style.plain_text import plain

# a command is imported when it is used: `bench --help` needs the rows alone
COMMANDS = table(
    *(
        Entry(name=name, build=f"benchmark.cli.{name}:{function}", summary=summary)
        for name, function, summary in (
            ("run", "run", "Run a grid: tables, plots, page and summary."),
            ("train", "train", "Train a network."),
            ("study", "study", "Run one analysis of the paper."),
            ("paper", "paper", "Reproduce the paper."),
            ("summary", "summary", "Print the table of a run, or the layers of a network."),
            ("compare", "compare", "Compare runs with the first one."),
            ("check", "check", "Check that a run meets requirements."),
            ("report", "report", "Write audit and page of a run again."),
            ("export", "export", "Write a run for RobustBench, or for a model card."),
            ("speed", "speed", "Measure the speed against ART and others."),
            ("anchors", "anchors", "Attack networks with known answers."),
            ("init", "init", "Write a first grid file."),
            ("list", "list_", "List the names that grids and commands take."),
        )
    )
)


class _BadInput(click.ClickException):
    """An error that is shown as one line."""

    exit_code = exit_codes.BAD_INPUT

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


class _ClusterLost(_BadInput):
    exit_code = exit_codes.CLUSTER_LOST


class _Commands(Mapping[str, click.Command]):
    """The commands by name; each is imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        entry = COMMANDS[name]
        from benchmark.execution.environment import sleep_soon
        from benchmark.execution.memory import keep_memory
        from benchmark.terminal.progress_bars import starting

        keep_memory()  # before a library starts a thread, whose arena later ones would share
        if name != "speed":  # which compares with loops that users run without it
            sleep_soon()
        with starting():
            return cast(click.Command, entry.load())

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(click.Group):
    """Show errors that the user can fix as one line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in sorted(COMMANDS)])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command line; what it prints may hold any text."""
        print_any_text()
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _shown_plainly():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with ended_by_ctrl_c(exit_codes.INTERRUPTED) as came:
            return self._invoke(ctx, came)

    def _invoke(self, ctx: click.Context, came: Callable[[], bool]) -> Any:
        """Run a command. came: whether Ctrl-C came."""
        try:
            with _shown_plainly():
                user_cache()  # before a library looks for a place of its own
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
                f"{where}{error.strerror or error}; repair that (space, permissions, names);"
                " then the same command continues with what is stored"
            ) from error
        except MemoryError as error:
            raise _BadInput(
                "out of memory; finished cells are kept: the same command with fewer --threads,"
                " or a grid with fewer --samples, needs less"
            ) from error
        except ImportError as error:
            # what the loader of shared libraries says where `ulimit -v` leaves too little
            if not any(text in str(error) for text in ("failed to map segment", "allocate memory")):
                raise
            raise _BadInput(
                f"out of memory while a library is loaded ({error}); PyTorch needs an address space"
                " of 5 GB: raise the limit (ulimit -v)"
            ) from error
        except SystemExit as error:
            # rich ends the program where its reader went away: `| head`
            if not _outside(error) or isinstance(error.__context__, BrokenPipeError):
                raise
            raise _ended(error) from error
        except KeyboardInterrupt as error:
            if not came():
                raise _ended(error) from error
            click.echo(STOPPED, err=True, nl=False)
            leave(exit_codes.INTERRUPTED)


@contextmanager
def _shown_plainly() -> Iterator[None]:
    """Let an error of click show what the user typed without control characters, on one line."""
    try:
        yield
    except click.ClickException as error:
        error.message = plain(error.message)  # type: ignore[misc]  # final for others
        raise


def _ended(error: BaseException) -> _BadInput:
    """Return the error for external code that ended the program."""
    return _BadInput(
        f"external code ended the program ({_outside(error) or class_and_line(error)}); it must"
        " raise an error instead, such as RuntimeError"
    )


def _outside(error: BaseException) -> str:
    """Return error, file and line of code outside this package; "" for code of its own."""
    frame, line = None, 0
    trace = error.__traceback__
    while trace is not None:
        frame, line = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    if frame is None or str(frame.f_globals.get("__name__", "")).startswith("benchmark."):
        return ""
    return f"{class_and_line(error)}, {frame.f_code.co_filename}:{line}"


@click.group(
    cls=_Group,
    commands=cast(MutableMapping[str, click.Command], _Commands()),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Measure how robust an image classifier is to adversarial attacks, with and without defences.

    `bench run` runs a grid of networks, attacks and defences. `bench list` shows all names.
    """
