"""The cache folder of a user whose home cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, subprocess, sys
from benchmark.cli import main
sys.argv = ["bench", "list", "attacks"]
try:
    main()
except SystemExit as end:
    assert not end.code
from estimators.data.load import default_data_dir
from estimators.compiling import cache_folder
from estimators.networks.cache_folder import default_cache
import matplotlib
matplotlib.get_configdir(), matplotlib.get_cachedir()
for folder in (default_data_dir(), cache_folder(), default_cache()):
    folder.mkdir(parents=True, exist_ok=True)
    print("FOLDER", folder)
if not os.environ.get("AGAIN"):
    env = {**os.environ, "AGAIN": "1"}
    subprocess.run([sys.executable, "-c", os.environ["SCRIPT"]], env=env, check=True)
"""


def started(home: Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    """What a process says, and one that it starts."""
    names = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")
    names += ("BENCH_CACHE_DIR", "BENCH_DATA_DIR")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {"HOME": str(home), "TMPDIR": str(temporary), "SCRIPT": SCRIPT}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True
    )


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of standard error; on a slow machine one of progress is among them."""
    return [line for line in done.stderr.splitlines() if line != "starting"]


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_a_home_that_cannot_be_written_costs_one_warning(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # below a file nobody can write, not even root
    done = started(file / "home", temporary)
    assert done.returncode == 0, done.stderr
    (warning,) = _said(done)
    assert warning.startswith(f"warning: the cache folder {file}/home/.cache/art-bench cannot be ")
    folders = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FOLDER")]
    assert len(folders) == 6 and len(set(folders)) == 3
    assert all(Path(folder).is_relative_to(temporary) for folder in folders)
    assert [path.stat().st_mode & 0o777 for path in temporary.glob("art-bench-*")] == [0o700]


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_a_folder_of_others_is_not_used(tmp_path: Path) -> None:
    """Somebody has put a link, or a folder that all can write, under the name."""
    elsewhere, temporary = tmp_path / "elsewhere", tmp_path / "temporary"
    elsewhere.mkdir()
    temporary.mkdir()
    (tmp_path / "file").write_text("no folder")
    (temporary / f"art-bench-{os.getuid()}").symlink_to(elsewhere)
    done = started(tmp_path / "file" / "home", temporary)
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_a_home_that_can_be_written_costs_none(tmp_path: Path) -> None:
    done = started(tmp_path / "home", tmp_path)
    assert done.returncode == 0 and _said(done) == []
    assert str(tmp_path / "home/.cache/art-bench") in done.stdout
