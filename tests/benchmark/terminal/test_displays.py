"""What is written through a pipe, in a terminal and in a notebook."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.terminal import displays
from benchmark.terminal.displays import NotebookLine, PipeLines
from benchmark.terminal.progress_bars import run_progress
from benchmark.terminal.tracker import Tracker


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def piped() -> tuple[Clock, Tracker, PipeLines, list[str]]:
    """A display that is not started: the test ticks."""
    clock, lines = Clock(), []
    tracker = Tracker(clock)
    return clock, tracker, PipeLines(tracker, lines.append), lines  # type: ignore[return-value]


def test_a_pipe_has_one_line_a_minute_and_a_first_and_a_last_one() -> None:
    clock, tracker, shown, lines = piped()
    tracker.place("study 1 of 12")
    tracker.share(0.0)
    for second in range(200):
        clock.now = float(second)
        tracker.share(second / 400)
        shown.tick()
    shown.stop(done=True)
    assert lines == [
        "study 1 of 12, 0 %",
        "study 1 of 12, 15 %, 0:05:39 left",
        "study 1 of 12, 30 %, 0:04:39 left",
        "study 1 of 12, 45 %, 0:03:39 left",
        "done after 0:03:19",
    ]


def test_what_is_short_or_stops_says_nothing_of_the_end() -> None:
    clock, _, shown, lines = piped()
    clock.now = 0.1
    shown.tick()
    shown.stop(done=True)
    assert lines == []
    clock, tracker, shown, lines = piped()
    clock.now = 2.0
    tracker.place("starting")
    shown.tick()
    shown.stop(done=False)
    clock.now = 100.0
    shown.tick()
    assert lines == ["starting"]


def test_messages_come_at_once() -> None:
    _, _, shown, lines = piped()
    shown.message("failed: study noise")
    assert lines == ["failed: study noise"]


def test_progress_leaves_standard_output_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with run_progress() as progress:
        progress.message("3 cells were stored already and are reused")
        print("a result")
    out, err = capfd.readouterr()
    assert out == "a result\n"
    assert "3 cells were stored already and are reused" in err.splitlines()
    assert "\x1b" not in err and "\r" not in err


def test_an_error_at_once_is_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert displays.FIRST > 0
    monkeypatch.setattr(displays, "FIRST", 60.0)  # at once, also where the machine stalls
    with pytest.raises(ValueError), run_progress():
        raise ValueError
    assert capfd.readouterr() == ("", "")


def test_a_notebook_replaces_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display", reason="IPython is not installed")
    shown: list[str] = []

    class Handle:
        def update(self, content: Any, raw: bool) -> None:
            shown.append(content["text/plain"])

    def first(content: Any, raw: bool, display_id: bool) -> Handle:
        shown.append(content["text/plain"])
        return Handle()

    monkeypatch.setattr(display, "display", first)
    clock = Clock()
    tracker = Tracker(clock)
    line = NotebookLine(tracker, clock)
    tracker.place("cell 1 of 4")
    line.start()
    for second in (0.1, 0.2, 0.6):
        clock.now = second
        tracker.share(second)
    clock.now = 3.0
    line.stop(done=True)
    assert shown == ["cell 1 of 4", "cell 1 of 4, 60 %", "done after 0:00:03"]


# each line is awaited: how soon it is drawn depends on the machine
SCRIPT = """
import time
from benchmark.terminal.console import say
from benchmark.terminal.displays import TerminalLine
from benchmark.terminal.progress_bars import run_progress
line, drawn = TerminalLine._line, []
def noted(self):
    text = line(self)
    drawn.append(text.plain)
    return text
TerminalLine._line = noted
def until_drawn(part):
    while not any(part in text for text in drawn):
        time.sleep(0.01)
with run_progress() as progress:
    progress.restart()
    progress.place("study 5 of 12")
    progress.step("x" * 200)
    progress.share(0.0)
    until_drawn("study 5 of 12, 0 %")
    time.sleep(1.2)  # of which a time left can be told
    progress.share(0.4)
    until_drawn("study 5 of 12, 40 %")
    say("a line above")
say("results")
"""


def in_terminal(columns: int) -> str:
    """What a terminal of some width gets."""
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=child, stdout=child, stderr=child, env=env
    )
    os.close(child)
    parts = []
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the end
            break
        if not part:
            break
        parts.append(part)
    os.close(parent)
    assert process.wait() == 0
    return b"".join(parts).decode()


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_has_one_line_that_goes_away(columns: int) -> None:
    written = in_terminal(columns)
    # each drawing of the line begins with its erasure
    drawn = [part.split("\r")[0] for part in written.split("\x1b[2K")]
    lines = [part for part in drawn if part.startswith("study 5 of 12, 40 %")]
    assert lines and all(len(line) <= columns and "…" in line for line in lines)
    assert "left: xxx" in lines[0]
    # lines stand above it, and it is gone before the results
    assert "a line above\r\n" in written
    assert written.endswith("\x1b[2Kresults\r\n")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


# what takes long to load; the display says first what is loaded when it starts
SLOW_TO_LOAD = {"torch", "torchvision", "art", "matplotlib", "pandas", "scipy", "sklearn", "numba"}
FIRST_SIGN = f"""
import sys
from benchmark.cli import main
from benchmark.terminal import displays
displays.FIRST = 0.0
start = displays.PipeLines.start
def told(self):
    print("loaded:", *sorted({SLOW_TO_LOAD!r} & set(sys.modules)), file=sys.stderr, flush=True)
    start(self)
displays.PipeLines.start = told
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("run", "--grid", "quick"),
        ("train", "--network", "lenet", "--dataset", "digits", "--epochs", "1"),
        ("study", "data", "--dataset", "digits"),
        ("paper", "--quick"),
        ("speed", "--only", "cw"),
    ],
    ids=lambda command: command[0],
)
def test_the_first_sign_of_life(command: tuple[str, ...], tmp_path: Path) -> None:
    """It comes before anything slow is loaded, and the line about PyTorch before PyTorch."""
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_SIGN, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line == b"starting: loading PyTorch\n":
                break
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    # one display while the command's own code is loaded, whose line may come, and one for its work
    first, second = (line.split()[1:] for line in lines if line.startswith(b"loaded:"))
    assert first == [] and not {b"torch", b"torchvision", b"art", b"numba"} & set(second)
    said = [line for line in lines if not line.startswith(b"loaded:")]
    assert said[-1:] == [b"starting: loading PyTorch\n"] and said[:-1] in ([], [b"starting\n"])
