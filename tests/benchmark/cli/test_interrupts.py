"""Ctrl-C at a real program: one line, exit code 130, at once, and the same command continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.terminal.leaving import STOPPED

# a shell's background job hands on that it ignores SIGINT
HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"

# seconds; the trainings here would take longer than a busy machine needs to end them
LIMIT = 300


def started(*args: str, cwd: Path) -> subprocess.Popen[bytes]:
    """The program in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{HEARD}; from benchmark.cli import main; main()", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def interrupted(process: subprocess.Popen[bytes]) -> str:
    """Press Ctrl-C; gives what standard error got afterwards."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return errors.decode()


def gone(group: int) -> None:
    """Wait until no process of a group is left: Python's own tracker of resources ends last."""
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("processes are left")


@pytest.mark.slow
@pytest.mark.parametrize("delay", (0, 0.02, 0.05, 0.1, 0.3, 1.0))
def test_while_torch_is_loaded(delay: float, tmp_path: Path) -> None:
    process = started("train", "--network", "lenet", "--dataset", "digits", cwd=tmp_path)
    assert process.stderr is not None
    line = process.stderr.readline()
    if line == b"starting\n":  # the command's own code took a moment
        line = process.stderr.readline()
    assert line == b"starting: loading PyTorch\n"
    time.sleep(delay)
    errors = interrupted(process)
    assert process.returncode == 130
    assert errors == STOPPED


@pytest.mark.slow
def test_while_a_training_of_a_sweep_runs(tmp_path: Path) -> None:
    """Its processes are gone too, and none of them prints a traceback."""
    study = ("study", "overfitting", "--dataset", "digits", "--set", "epochs=500")
    os.environ["BENCH_WORKERS"] = "2"
    try:
        process = started(*study, "--set", "seeds=2", cwd=tmp_path)
    finally:
        del os.environ["BENCH_WORKERS"]
    assert process.stderr is not None
    for line in process.stderr:  # one a minute
        if b"1 of 2" in line:
            break
    errors = interrupted(process)
    assert process.returncode == 130
    assert errors == STOPPED
    gone(process.pid)
