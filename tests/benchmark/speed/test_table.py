"""The table of `bench speed`, and the libraries that it compares with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.attacks.adapters.library import Library
from benchmark.attacks.registry import LIBRARIES
from benchmark.speed.peers import CARLINI, PGD, installed
from benchmark.speed.rivals import Attack, Bench
from benchmark.speed.startup import startup_lines
from benchmark.speed.table import cells, speed_markdown, speed_table
from benchmark.speed.timing import Measured
from benchmark.terminal.console import PlainConsole
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.spec import Spec

LINES = [
    Measured("PGD-40, LeNet", "foolbox", 0.52, 1.3, 2.5, None, floor=0.4, goal=2),
    Measured("JPEG round trip", "ART's JpegCompression", 0.0012, 0.099, 82.25, True),
]


def test_a_row_has_units_goal_and_whether_numbers_are_the_same() -> None:
    first, second = map(cells, LINES)
    assert first == ("PGD-40, LeNet", "0.52 s", "foolbox", "1.3 s", "2.5", "2", "1.3", "")
    assert second[1:] == ("1.2 ms", "ART's JpegCompression", "99 ms", "82.2", "", "", "yes")


def test_markdown_names_the_machine_and_has_a_row_per_line() -> None:
    text = speed_markdown(LINES, "A processor, 2 threads")
    assert text.startswith("A processor, 2 threads\n\n| work | here |")
    assert text.count("\n| ") == 4


def test_the_table_fits_80_columns() -> None:
    with (console := PlainConsole(width=80)).capture() as printed:
        console.print(speed_table(LINES))
    text = printed.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "foolbox" in text and "82.2" in text


def bench() -> Bench:
    images = Images(np.random.RandomState(0).rand(4, 1, 28, 28).astype(np.float32),
                    np.arange(4), np.arange(4), tuple("0123456789"))  # fmt: skip
    return Bench(build_network(Spec("lenet"), (1, 28, 28), 10).eval(), images, 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries
@pytest.mark.parametrize("name", PGD)
def test_a_missing_library_is_said_with_the_command_that_installs_it(name: str) -> None:
    said: list[str] = []
    found = dict(installed({name: PGD[name]}, bench(), said.append))
    try:
        LIBRARIES[name].check_installed()
    except InputError:
        assert not found
        assert said[0].startswith(f"{name}") and LIBRARIES[name].install in said[0]
    else:
        images = found[name]()
        assert not said
        assert 0.2 < np.abs(images - bench().images.x).max() <= 0.3 + 1e-6


def test_a_library_that_cannot_be_imported_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench) -> Attack:
        raise ImportError("No module named 'requests'")

    monkeypatch.setattr(Library, "check_installed", lambda library: None)
    said: list[str] = []
    assert not dict(installed({"foolbox": broken}, bench(), said.append))
    assert said == ["foolbox: left out, cannot be imported: No module named 'requests'"]


def test_every_peer_is_a_library_of_the_registry() -> None:
    assert {*PGD, *CARLINI} <= LIBRARIES.keys()


@pytest.mark.slow
def test_the_start_of_every_command_is_measured(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = list(startup_lines(1))
    assert len(lines) == 8
    assert all(line.ours > 0 < line.theirs for line in lines)
    assert not list(tmp_path.iterdir())
