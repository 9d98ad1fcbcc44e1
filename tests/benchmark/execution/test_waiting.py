"""Threads that wait sleep soon, where nobody asked for something else."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.execution.environment import FEW, SPINS


@pytest.mark.parametrize(
    ("command", "own", "expected"),
    [
        ("list", {}, FEW),
        ("list", {SPINS: "7"}, "7"),
        ("list", {"OMP_WAIT_POLICY": "ACTIVE"}, None),
        ("speed", {}, None),
    ],
)
def test_a_command_sets_it_before_it_is_loaded(
    command: str, own: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (SPINS, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # what the command sets goes again after the test
        monkeypatch.delenv(name)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0
    assert os.environ.get(SPINS) == expected
