"""Every text reaches the terminal as it is: no markup, no emoji codes, no control characters."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.table import Table

import benchmark
from benchmark.terminal import console as console_module
from benchmark.terminal.console import PlainConsole, say, styled
from benchmark.terminal.displays import PipeLines
from benchmark.terminal.streams import print_any_text
from benchmark.terminal.tracker import Tracker
from reports.style.plain_text import one_line

# rich shows a tab as spaces
TEXTS = st.text(st.characters(exclude_characters="\t"), max_size=20)
MARKUP = "[/nope] [bold]x[/] :ten: [link=http://x]y[/link]"
ROOT = Path(benchmark.__file__).parent
# what writes to a terminal by itself, or reads markup
RAW = {"rich.text", "rich.markup", "rich.live", "rich.emoji"}


def shown(console: PlainConsole) -> str:
    """What was printed, without spaces at ends of lines and the line feed at the end."""
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().split("\n")).strip("\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(MARKUP)
@example("\udcff\x1b[31m\x07")
@given(TEXTS)
def test_a_line_is_the_text(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    out = PlainConsole(file=io.StringIO(), width=40)
    monkeypatch.setattr(console_module, "console", out)
    say(text, style="bold")
    assert shown(out) == one_line(text).rstrip()


def test_a_head_and_a_style_change_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    out = PlainConsole(file=io.StringIO(), width=10)
    monkeypatch.setattr(console_module, "console", out)
    say(f": {MARKUP}", head="failed [b]", head_style="bold red")
    assert shown(out) == f"failed [b]: {MARKUP}"


@pytest.mark.parametrize("cell", [str, styled])
def test_a_table_shows_the_text(cell) -> None:
    out = PlainConsole(file=io.StringIO(), width=200)
    table = Table(title=MARKUP)
    table.add_column(cell(MARKUP))
    table.add_row(cell("\x1b[31m:ten:\udcff"))
    out.print(table)
    assert shown(out).count(MARKUP) == 2
    assert r"\x1b[31m:ten:\xff" in shown(out)


@given(TEXTS)
def test_progress_is_one_line(text: str) -> None:
    lines: list[str] = []
    tracker = Tracker()
    tracker.step(text)
    display = PipeLines(tracker, lines.append)
    display.message(text)
    display.tick()
    assert lines[0] == one_line(text)
    assert tracker.text() == one_line(text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_of_any_encoding_takes_any_text(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    print_any_text()
    print("\udcff\u2026")
    sys.stdout.flush()
    assert b"\\udcff" in raw.getvalue()


def test_no_other_room_writes_to_the_terminal() -> None:
    """`say` and `styled` are the only ways: a new command cannot forget them."""
    found = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in ROOT.rglob("*.py")
        if path.parent.name != "terminal"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in RAW
    ]
    assert found == []
