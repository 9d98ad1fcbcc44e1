"""Ctrl-C ends a program where KeyboardInterrupt is swallowed, at once or a little later."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from benchmark.terminal.leaving import STOPPED

# a shell's background job hands on that it ignores SIGINT
HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
# a module whose import swallows what is raised, as callbacks of the import system do
SWALLOWING = """
import time
try:
    print("importing", flush=True)
    time.sleep(60)
except BaseException:
    time.sleep(60)
"""
# the same in code that runs
LOOP = """
import time
from benchmark.terminal import leaving
leaving.GRACE = 0.2
with leaving.ended_by_ctrl_c(130):
    try:
        print("running", flush=True)
        time.sleep(60)
    except BaseException:
        print("swallowed", flush=True)
    time.sleep(60)
"""
WITH_A_CHILD = """
import multiprocessing, time
from benchmark.terminal import leaving
child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
child.start()
with leaving.ended_by_ctrl_c(130):
    import swallowing
"""
IMPORT = """
from benchmark.terminal import leaving
with leaving.ended_by_ctrl_c(130):
    import swallowing
"""


def program(text: str, folder: Path, errors: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A program that says on standard output when Ctrl-C may come."""
    (folder / "swallowing.py").write_text(SWALLOWING)
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HEARD}\n{text}"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() in (b"importing\n", b"running\n")
    return process


def test_an_import_that_swallows_it(tmp_path: Path) -> None:
    process = program(IMPORT, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and errors == STOPPED.encode()


def test_code_that_swallows_it_ends_some_time_later(tmp_path: Path) -> None:
    process = program(LOOP, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and errors == STOPPED.encode()
    assert out.startswith(b"swallowed\n")


def test_no_process_is_left(tmp_path: Path) -> None:
    # a process that ends closes its end of the pipes, so communicate() waits for the child too
    process = program(WITH_A_CHILD, tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and errors == STOPPED.encode()


def test_a_terminal_gets_its_cursor_back(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    process = program(IMPORT, tmp_path, child)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    written = os.read(parent, 1000).decode()
    assert written.startswith("\r\x1b[2K\x1b[?25h") and STOPPED.strip() in written
    os.close(parent)
    os.close(child)
