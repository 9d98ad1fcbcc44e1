"""Shared pieces of the suite; nothing here downloads."""

from __future__ import annotations

import http.client
import importlib
import os
import signal
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, settings

from benchmark.cli import main
from estimators import plugins
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.source_code import code_sha256
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file

if "PYTEST_XDIST_WORKER" in os.environ:
    # workers and what they start share the cores
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job hands on that it ignores Ctrl-C; tests send it to themselves
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the same examples every time, and no limit on their time: a stall of the machine is no fault;
# `--hypothesis-profile default` tries other examples
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Give networks that a module of tests makes where it is imported the same weights each time.

    Torch's first seed is another one in each process.
    """
    if isinstance(collector, pytest.Module):
        torch.manual_seed(0)


# taken before the tests get folders of their own
_REAL_DATA = os.environ.get("BENCH_DATA_DIR")


@pytest.fixture(scope="session")
def real_data() -> Path | None:
    """The folder of real data sets that BENCH_DATA_DIR names, if it names one."""
    return Path(_REAL_DATA).resolve() if _REAL_DATA else None


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache, data or working directory."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched from the web, whether or not the machine can reach it."""

    def refused(connection: http.client.HTTPConnection) -> None:
        raise OSError(f"the test suite does not connect to {connection.host}")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", refused)


@pytest.fixture(scope="session")
def _checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def shared_checkpoints(_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of trained networks for all tests of the session that ask for it."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(_checkpoints))
    return _checkpoints


@pytest.fixture(scope="session")
def digits() -> Images:
    """The test split of the embedded data set."""
    return load_images("digits", "test")


@pytest.fixture(scope="session")
def digits_lenet() -> torch.nn.Module:
    """The shipped LeNet for digits."""
    return load_checkpoint(shipped_file("digits", Spec("lenet"))).network


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a command line; gives exit code and everything printed.

    Lines of progress that come by time are left out, however slow the machine is.
    """
    monkeypatch.setattr("benchmark.terminal.displays.FIRST", 1e9)

    def run(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, list(args), catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output + capsys.readouterr().out

    return run


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module that can be imported until the test ends."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        return folder

    yield write
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    plugins._load.cache_clear()
    code_sha256.cache_clear()


@pytest.fixture
def npz(tmp_path: Path):
    """Write a data file with some arrays replaced."""

    def write(**changes: np.ndarray) -> Path:
        rng = np.random.RandomState(0)
        arrays = {
            "x_train": rng.randint(0, 256, (40, 16, 16), dtype=np.uint8),
            "y_train": np.arange(40) % 4,
            "x_test": rng.randint(0, 256, (20, 16, 16), dtype=np.uint8),
            "y_test": np.arange(20) % 4,
        }
        arrays.update(changes)
        path = tmp_path / "own.npz"
        np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
        return path

    return write
