"""One input through the commands that take it: success or one line, no hang, no stray file.

`test_fuzz.py` feeds it from hypothesis, `fuzz_atheris.py` by coverage.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_up import MadeUp

from benchmark.cli import main
from benchmark.runs import run as run_module
from benchmark.runs.loading import gather, networks
from estimators.data.load import load_images

# seconds of this process, so that other work does not count; usual is less than half a second
SECONDS = 20.0


class Stop(Exception):
    """All that can be checked beforehand was found good: from here on a run only computes."""


@contextmanager
def nothing_is_computed() -> Iterator[None]:
    """Commands run as they are, up to where the work would begin; digits are loaded once."""
    digits = {split: load_images("digits", split) for split in ("test", "train")}

    @cache
    def trained(dataset: str, network: Any) -> Any:
        if dataset != "digits" or str(network) != "lenet":
            raise Stop
        return honest(dataset, network)

    honest = networks.trained_network

    def images(name: str, split: Any = "test", folder: Any = None) -> Any:
        return digits[split] if name == "digits" else load_images(name, split, folder)

    def stop(*_: Any, **__: Any) -> Any:
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "load_images", images)
        patch.setattr(networks, "trained_network", lambda d, n, *_, **__: trained(d, n))
        patch.setattr(networks, "guarded_network", stop)
        patch.setattr(run_module, "_open_store", stop)
        patch.setattr("estimators.training.train_or_load.train", stop)
        # nothing is downloaded
        for name in ("MNIST", "CIFAR10", "FashionMNIST"):
            patch.setattr(f"torchvision.datasets.{name}", _offline)
        yield


def _offline(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no network")


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder to work in; beside it what must not be touched. Short: names may be long."""
    root = Path(tempfile.mkdtemp(prefix="fuzz"))
    (root / "work").mkdir()
    (root / "sentinel.txt").write_text("untouched")
    (root / "outside").mkdir()
    (root / "outside" / "x.npz").write_bytes(b"untouched")
    yield root / "work"
    shutil.rmtree(root)


def good_rows() -> list[dict[str, str]]:
    """The rows of a small results file."""
    made = MadeUp(attacks={"fgsm": (0, 0.1), "cw": (None,)}, threats=("oblivious",), samples=20)
    with tempfile.TemporaryDirectory() as folder:
        text = (made.write(Path(folder) / "r") / "results.csv").read_text()
    return list(csv.DictReader(io.StringIO(text)))


def as_csv(rows: list[dict[str, str]]) -> str:
    """Rows as the text of a results file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


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


def fuzz_table(work: Path, content: bytes, rows: list[dict[str, str]]) -> None:
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    (run / "results.csv").write_bytes(content)
    (work / "base.csv").write_text(as_csv(rows))
    tried(["compare", "base.csv", "run/results.csv", "--force", "--format", "html"], work)
    if tried(["report", "run"], work) == 0:
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "<img src=x>" not in page
