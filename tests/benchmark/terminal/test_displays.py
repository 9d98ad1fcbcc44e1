"""What is written through a pipe, in a terminal and in a notebook."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

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
    assert err.splitlines()[0] == "3 cells were stored already and are reused"
    assert "\x1b" not in err and "\r" not in err


def test_an_error_at_once_is_alone(capfd: pytest.CaptureFixture[str]) -> None:
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


SCRIPT = """
import time
from benchmark.terminal.console import say
from benchmark.terminal.progress_bars import run_progress
with run_progress() as progress:
    progress.restart()
    progress.place("study 5 of 12")
    progress.share(0.0)
    time.sleep(1.2)
    progress.share(0.4)
    progress.step("x" * 200)
    say("a line above")
    time.sleep(1.2)
say("results")
"""


def in_terminal(columns: int) -> tuple[str, list[float]]:
    """What a terminal of some width gets, and when."""
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=child, stdout=child, stderr=child, env=env
    )
    os.close(child)
    parts, times = [], []
    while True:
        try:
            if not select.select([parent], [], [], 60)[0]:
                break
            part = os.read(parent, 65536)
        except OSError:  # the end
            break
        if not part:
            break
        parts.append(part)
        times.append(time.monotonic() - start)
    os.close(parent)
    assert process.wait() == 0
    return b"".join(parts).decode(), times


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_has_one_line_that_goes_away(columns: int) -> None:
    written, _ = in_terminal(columns)
    # each drawing of the line begins with its erasure
    drawn = [part.split("\r")[0] for part in written.split("\x1b[2K")]
    lines = [part for part in drawn if part.startswith("study 5 of 12, 40 %")]
    assert lines and all(len(line) <= columns and "…" in line for line in lines)
    assert "left: xxx" in lines[0]
    # lines stand above it, and it is gone before the results
    assert "a line above\r\n" in written
    assert written.endswith("\x1b[2Kresults\r\n")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


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
    program = [sys.executable, "-c", "from benchmark.cli import main; main()", *command]
    start = time.monotonic()
    process = subprocess.Popen(
        program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline() == b"starting: loading PyTorch\n"
        # two seconds on a machine of its own
        assert time.monotonic() - start < 6
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
