"""Thousands of inputs from strangers: success or one line, no traceback, no hang, no stray file.

The quick profile is for every push; `-m slow` runs the thousands. What one input goes through is
in `fuzz_harness.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz_harness
import fuzz_inputs
import pytest
from click.testing import CliRunner
from fuzz_harness import Stop, fuzz_archive, fuzz_command, fuzz_grid, fuzz_table
from hypothesis import HealthCheck, Phase, given, settings

from benchmark.cli import main

FEW, MANY = 15, 600
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


def profile(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def nothing_is_computed() -> Iterator[None]:
    with fuzz_harness.nothing_is_computed():
        yield


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with fuzz_harness.working_folder() as work:
        yield work


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return fuzz_harness.good_rows()


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("nothing_is_computed")
class TestFuzz:
    """Each kind of input, a few and many."""

    def test_grid_files(self, place: Path, examples: int) -> None:
        profile(examples)(given(fuzz_inputs.grid_files())(lambda c: fuzz_grid(place, c)))()

    def test_archives(self, place: Path, examples: int) -> None:
        profile(examples)(given(fuzz_inputs.archives())(lambda c: fuzz_archive(place, c)))()

    def test_command_lines(self, place: Path, examples: int) -> None:
        profile(examples)(given(fuzz_inputs.command_lines())(lambda a: fuzz_command(place, a)))()

    def test_tables(self, place: Path, rows: list[dict[str, str]], examples: int) -> None:
        tables = fuzz_inputs.tables(rows)
        profile(examples)(given(tables)(lambda c: fuzz_table(place, c, rows)))()


def test_what_is_good_is_let_through(place: Path, nothing_is_computed: None) -> None:
    """A fuzz test that is always refused at the door would test nothing."""
    (place / "fuzz.yaml").write_text("{attacks: [{name: fgsm, eps: [0, 0.1]}, cw], samples: 5}")
    result = CliRunner().invoke(main, ["run", "--grid", str(place / "fuzz.yaml")])
    assert isinstance(result.exception, Stop), result.output


def test_a_few_lines_that_stand_for_ten_to_the_thirty(
    place: Path, nothing_is_computed: None
) -> None:
    fuzz_grid(place, fuzz_inputs.laughs(30))
    fuzz_grid(
        place, b"datasets: [" + b"digits, " * 3000 + b"]\nattacks: [cw" + b", cw" * 400 + b"]"
    )
