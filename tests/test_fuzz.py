"""Thousands of inputs from strangers: success or one line, no traceback, no hang, no stray file.

The quick profile is for every push; `-m slow` runs the thousands.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_inputs
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from made_up import MadeUp

from benchmark import material
from benchmark import run as run_module
from benchmark.cli import main
from estimators.datasets import load_images

# seconds of this process: a busy machine does not count
SECONDS = 2.0
FEW, MANY = 15, 600
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


def profile(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


class Stop(Exception):
    """All that can be checked beforehand was found good: from here on a run only computes."""


@pytest.fixture(scope="module")
def nothing_is_computed() -> Iterator[None]:
    """Commands run as they are, up to where the work would begin; digits are loaded once."""
    patch = pytest.MonkeyPatch()
    digits = {split: load_images("digits", split) for split in ("test", "train")}

    @cache
    def trained(dataset: str, network: Any) -> Any:
        if dataset != "digits" or str(network) != "lenet":
            raise Stop
        return honest(dataset, network)

    honest = material.trained_network

    def images(name: str, split: Any = "test", folder: Any = None) -> Any:
        return digits[split] if name == "digits" else load_images(name, split, folder)

    def stop(*_: Any, **__: Any) -> Any:
        raise Stop

    patch.setattr(material, "load_images", images)
    patch.setattr(material, "trained_network", lambda d, n, *_, **__: trained(d, n))
    patch.setattr(run_module, "_opened", stop)
    patch.setattr("estimators.checkpoints.train", stop)
    # nothing is downloaded
    for name in ("MNIST", "CIFAR10", "FashionMNIST"):
        patch.setattr(f"torchvision.datasets.{name}", _offline)
    yield
    patch.undo()


def _offline(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no network")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder to work in; beside it what must not be touched. Short: names may be long."""
    root = Path(tempfile.mkdtemp(prefix="fuzz"))
    (root / "work").mkdir()
    (root / "sentinel.txt").write_text("untouched")
    (root / "outside").mkdir()
    (root / "outside" / "x.npz").write_bytes(b"untouched")
    yield root / "work"
    shutil.rmtree(root)


def outside(work: Path) -> dict[str, bytes]:
    """Everything beside the working folder."""
    files = [p for p in work.parent.rglob("*") if p.is_file() and work not in p.parents]
    return {str(p): p.read_bytes() for p in files}


def tried(args: list[str], work: Path) -> int:
    """Run a command; assert that it ends as it must, and give the exit code."""
    before = outside(work)
    os.chdir(work)  # given back by the suite's own fixture, after each test
    folders = {"BENCH_DATA_DIR": str(work / "data"), "BENCH_CACHE_DIR": str(work / "cache")}
    start = time.process_time()
    result = CliRunner().invoke(main, args, env=folders, catch_exceptions=True)
    seconds = time.process_time() - start
    error = result.exception
    if isinstance(error, Stop):
        code = 0
    else:
        assert error is None or isinstance(error, SystemExit), (args, repr(error))
        code = result.exit_code
    assert code in (0, 1, 2, 3), (args, result.output)
    assert "Traceback" not in result.output
    if code == 2:
        # click shows the usage above its own errors
        lines = result.output.strip().split("\n")
        told = [line for line in lines if line.startswith("Error: ")]
        assert len(told) == 1 and lines[-1] == told[0], (args, result.output)
    assert seconds < SECONDS, (args, seconds)
    assert outside(work) == before
    return code


def fuzz_grid(work: Path, content: bytes) -> None:
    (work / "fuzz.yaml").write_bytes(content)
    tried(["run", "--grid", "fuzz.yaml", "--out", "out"], work)
    assert not (work / "out").exists()


def fuzz_archive(work: Path, content: bytes) -> None:
    (work / "fuzz.npz").write_bytes(content)
    args = ["--dataset", "npz:fuzz.npz"]
    tried(["summary", "--network", "lenet", *args], work)
    tried(["run", "--attack", "noise:eps=0.1", "--samples", "1", *args], work)


def fuzz_command(work: Path, args: list[str]) -> None:
    tried(args, work)
    for path in work.iterdir():
        # what an option named may be written there
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The rows of a small results file."""
    made = MadeUp(attacks={"fgsm": (0, 0.1), "cw": (None,)}, threats=("oblivious",), samples=20)
    with tempfile.TemporaryDirectory() as folder:
        text = (made.write(Path(folder) / "r") / "results.csv").read_text()
    return list(csv.DictReader(io.StringIO(text)))


def fuzz_table(work: Path, content: bytes, rows: list[dict[str, str]]) -> None:
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    (run / "results.csv").write_bytes(content)
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (work / "base.csv").write_text(out.getvalue())
    tried(["compare", "base.csv", "run/results.csv", "--force", "--format", "html"], work)
    if tried(["report", "run"], work) == 0:
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "<img src=x>" not in page


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
