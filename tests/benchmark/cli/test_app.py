"""Errors of a command as one line with an exit code."""

from __future__ import annotations

import errno
import signal

import pytest

from benchmark.execution.errors import ClusterLost
from estimators.errors import InputError
from reports.errors import TableError

ERRORS: dict[str, tuple[BaseException, int, str]] = {
    "bad input": (InputError("grid x:\n  wrong"), 2, "Error: grid x: wrong"),
    "bad table": (TableError("results x: wrong"), 2, "Error: results x: wrong"),
    "lost cluster": (ClusterLost("tcp://x: no answer"), 5, "Error: tcp://x: no answer"),
    "full disk": (
        OSError(errno.ENOSPC, "No space left on device", "/d/results.csv"),
        2,
        "Error: /d/results.csv: No space left on device; repair that",
    ),
    "no memory": (MemoryError(), 2, "Error: out of memory; finished cells are kept"),
    "no memory for a library": (
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        2,
        "Error: out of memory while a library is loaded (libtorch_cpu.so: failed to map segment",
    ),
    "exit of external code": (
        SystemExit(0),
        2,
        f"Error: external code ended the program (SystemExit: 0, {__file__}:",
    ),
    "interrupt of external code": (
        KeyboardInterrupt(),
        2,
        f"Error: external code ended the program (KeyboardInterrupt, {__file__}:",
    ),
}


def test_ctrl_c(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmark.grids.model.load_grid", lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, out = bench("run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130, out
    assert out.strip() == "stopped; what is finished is kept, and the same command continues"


def test_a_reader_that_went_away_is_no_error(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What rich does behind `| head`."""

    def fail(*_: object, **__: object) -> None:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904

    monkeypatch.setattr("benchmark.grids.model.load_grid", fail)
    assert bench("run") == (1, "")


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_one_line(bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    error, code, message = ERRORS[name]

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.grids.model.load_grid", fail)
    exit_code, out = bench("run")
    assert (exit_code, out.strip().count("\n")) == (code, 0), out
    assert message in out
