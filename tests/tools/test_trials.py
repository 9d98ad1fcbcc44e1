"""Small versions of the trials of reliability that maintainers run by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the trials need Linux"),
]


def trial(*args: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / args[0]), *args[1:]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_damaged_files_through_every_reader() -> None:
    told = trial("fuzz_readers.py", "--inputs", "240")
    assert told.count(": 30 inputs, ") == 8
    assert " 0 refused" not in told.split("imagefolder")[0]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the shim needs gcc")
@pytest.mark.parametrize("name", ["full", "power", "clock"])
def test_disk_and_clock(name: str) -> None:
    told = trial("disk_trial.py", "--most", "3", name)
    assert f"{name}: " in told and told.endswith("\n0 faults\n")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the shim needs gcc")
def test_no_room_for_one_file() -> None:
    told = trial("file_trial.py", "train", "check", "compare", "compare-plot", "init")
    # the checkpoint, its history, its plot; what `--out` and the others name
    for name, files in {"train": 3, "check": 3, "compare": 4, "compare-plot": 1, "init": 1}.items():
        assert f"{name}: {files} files, {files} tried, exit codes {{2: {files}}}\n" in told
    assert told.endswith("\n0 faults\n")
