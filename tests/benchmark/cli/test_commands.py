"""The commands of `bench`: one row each, and options that reach a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli.app import COMMANDS, main
from benchmark.cli.options import write_text
from benchmark.grids.schema import SCHEMA_FILE
from benchmark.runs.options import RunOptions
from estimators.errors import InputError


@pytest.mark.parametrize("name", COMMANDS)
def test_a_row_says_what_its_command_says(name: str) -> None:
    command = main.commands[name]
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].summary


def test_help_lists_every_row(bench) -> None:
    code, out = bench("--help")
    assert code == 0
    assert all(f"  {name} " in out and row.summary in out for name, row in COMMANDS.items())


def test_an_unknown_command(bench) -> None:
    code, out = bench("rum")
    assert code == 2
    assert "No such command 'rum'" in out


def test_paths_may_be_text() -> None:
    options = RunOptions(out="r", baseline="b.csv")  # type: ignore[arg-type]
    assert (options.out, options.data_dir, options.baseline) == (Path("r"), None, Path("b.csv"))


BAD_OPTIONS = {
    "threads": ({"threads": 0}, "--threads: must be at least 1, got 0"),
    "workers": ({"workers": 0}, "--workers: must be at least 1, got 0"),
    "threads of workers": ({"workers": 2, "threads": 2}, "leave it out"),
    "two clusters": ({"workers": 2, "scheduler": "tcp://h:1"}, "use one of them"),
    "device": ({"device": "tpu"}, "known: auto, cpu, cuda"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_options_that_exclude_each_other(case: str) -> None:
    options, message = BAD_OPTIONS[case]
    with pytest.raises(InputError, match=message):
        RunOptions(**options)


def test_list_prints_the_schema_that_is_shipped(bench) -> None:
    assert bench("list", "--schema") == (0, SCHEMA_FILE.read_text(encoding="utf-8"))


def test_a_text_goes_to_a_file_or_is_refused(tmp_path: Path) -> None:
    write_text("x\n", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "x\n"
    with pytest.raises(InputError, match=r"out.txt: cannot be written \(No such file"):
        write_text("x\n", tmp_path / "missing" / "out.txt")
