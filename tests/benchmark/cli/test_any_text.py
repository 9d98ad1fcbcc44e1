"""Any text and any bytes in every option of every command: work as asked, or one line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import fuzz_harness
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import MadeUp

from benchmark.cli import main
from benchmark.cli.app import COMMANDS
from reports.style.plain_text import printable

NAMES = [
    "[/nope]",
    "[bold]x[/]",
    ":ten:",
    "a\0b",
    "",
    "\x1b[31m",
    "a\nb",
    "\udcff.csv",
    "\ud800",
    "\u202e\u2028",
    "x" * 5000,
    "../\udce9",
    "npz:\udcff.npz",
    "npz:a\0.npz",
    "\ufffe",
]
# what a shell passes on: any bytes, as Python reads them
names = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.characters(), max_size=12),
    st.binary(max_size=12).map(lambda name: name.decode("utf-8", "surrogateescape")),
)
# what makes a command with long work end at once, whatever the other option is
BROKEN = {
    "anchors": ["--weights-dir", "missing"],
    "paper": ["--device", "none"],
    "run": ["--device", "none"],
    "speed": ["--only", "none"],
    "study": ["nothing"],
    "train": ["--network", "nothing", "--dataset", "nothing"],
    "report": ["missing"],
    "check": ["missing"],
    "compare": ["missing", "missing"],
    "export": ["missing", "--format", "model-card"],
}
ODD = "caf\udce9 [b]x[\\b]:ten:\x1b[31m"


def options(name: str) -> list[str]:
    """The options of a command that take a value."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return [
        param.opts[0]
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag
    ]


PAIRS = [(name, option) for name in sorted(COMMANDS) for option in options(name)]


@pytest.fixture
def place() -> Iterator[Path]:
    with fuzz_harness.nothing_is_computed(), fuzz_harness.working_folder() as work:
        yield work


@settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.sampled_from(PAIRS), names)
def test_any_text_in_every_option(place: Path, pair: tuple[str, str], name: str) -> None:
    command, option = pair
    fuzz_harness.fuzz_command(place, [command, *BROKEN.get(command, []), option, name])


@settings(
    max_examples=100, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.sampled_from(sorted(COMMANDS)), st.lists(names, max_size=3))
def test_any_text_in_place_of_arguments(place: Path, command: str, texts: list[str]) -> None:
    fuzz_harness.fuzz_command(place, [command, *texts, *BROKEN.get(command, ["--none"])])


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("name", ["a\0b", "", "\ud800"])
def test_no_path_is_what_no_file_is_called(bench, command: str, name: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    paths = [
        param.opts[0]
        for param in found.params
        if isinstance(param, click.Option) and isinstance(param.type, click.Path)
    ]
    for option in paths:
        code, out = bench(command, *BROKEN.get(command, []), option, name)
        lines = [line for line in out.splitlines() if line.startswith("Error: ")]
        assert code == 2 and len(lines) == 1, out
        assert "\0" not in out


@pytest.fixture
def odd_run() -> str:
    """A run directory whose name is not UTF-8 and holds markup and a control sequence."""
    made = MadeUp(attacks={"fgsm": (0, 0.1)}, threats=("oblivious",), samples=20)
    return str(made.write(Path("run")).rename(ODD))


def test_reports_of_a_run_with_any_name(bench, odd_run: str) -> None:
    files = ["--junit", "j\udcff.xml", "--sarif", "s.sarif", "--markdown", "m.md"]
    code, out = bench("report", odd_run, "--baseline", odd_run, *files)
    assert code == 0, out
    assert f"{printable(ODD)}/report.html" in out and "\x1b" not in out
    (Path(odd_run) / "report.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(Path("j\udcff.xml").read_bytes())
    assert root.get("name") == f"bench report {printable(ODD)}"
    json.loads(Path("s.sarif").read_text(encoding="utf-8"))
    Path("m.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "json", "html"])
def test_comparisons_of_a_run_with_any_name(bench, odd_run: str, form: str) -> None:
    out_file = "out\udcff"
    command = ["compare", odd_run, odd_run, "--format", form]
    code, out = bench(*command, "--all")
    assert code == 0, out
    assert "\x1b" not in out
    code, out = bench(*command, "--out", out_file, "--plot", "p\udcff.png")
    assert (code, out) == (0, "")
    assert "\x1b" not in Path(out_file).read_text(encoding="utf-8")


def test_other_commands_on_a_run_with_any_name(bench, odd_run: str) -> None:
    for args in (
        ["check", odd_run, "--require", "accuracy>=0 where attack=fgsm"],
        ["summary", odd_run],
        ["summary", odd_run, "--format", "latex", "--out", "t\udcff.tex"],
        ["init", "--out", "g\udcff.yaml"],
    ):
        code, out = bench(*args)
        assert code == 0, out
        assert "\x1b" not in out


def test_a_run_writes_into_a_folder_of_any_name(bench) -> None:
    grid = ["--attack", "fgsm:eps=0.1", "--defence", "none", "--threat", "oblivious"]
    code, out = bench("run", *grid, "--certify", "ibp", "--samples", "5", "--out", ODD)
    assert code == 0, out
    assert f"results in {printable(ODD)}:" in out
    assert {"predictions.parquet", "certificates.parquet"} <= set(os.listdir(ODD))


def test_data_whose_name_no_table_holds_are_refused(bench, npz: Any) -> None:
    path = npz()
    path.rename("own\udcff.npz")
    for command in (["run"], ["summary", "--network", "lenet"], ["study", "data"]):
        code, out = bench(*command, "--dataset", "npz:own\udcff.npz")
        assert code == 2, out
        assert r"npz:own\xff.npz: is not UTF-8; rename the file or folder" in out
