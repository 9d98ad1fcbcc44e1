"""A photo that cannot be read for a moment is in no finished cell of photos that can."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.grids.model import Grid
from benchmark.runs.finished.result import Result
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data import folder as folders
from tests.helpers.photos import write_photos

NETS = """
    from torch import nn

    def linear():
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3)).eval()
"""


@pytest.fixture
def dataset(tmp_path: Path, module: Callable[[str, str], Path]) -> str:
    module("nets", NETS)
    return (
        f"imagefolder:{write_photos(tmp_path / 'p', dict.fromkeys(('a', 'b', 'c'), 300), (8, 8))}"
    )


def run_all(dataset: str, out: Path, **options: Any) -> Result:
    grid = Grid(
        name="photos",
        datasets=[dataset],
        networks=["nets:linear"],
        attacks=[{"name": "fgsm", "eps": [0.01]}],
        threats=["oblivious"],
        samples="all",
    )
    return run(grid, RunOptions(out=out, threads=1, device="cpu", **options))


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ENOENT])
def test_an_error_of_the_file_system_fails_the_cell(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    read_photo = folders.read_photo

    def refused(path: Path, *rest: Any) -> Any:
        if path.parent.name == "c" and path.name == "299.png":
            raise OSError(code, os.strerror(code), str(path))
        return read_photo(path, *rest)

    monkeypatch.setattr(folders, "read_photo", refused)
    result = run_all(dataset, tmp_path / "out")
    assert result.table["status"].tolist() == ["failed"]
    (reason,) = result.table["reason"]
    assert "299.png: cannot be read now" in reason and "--retry-failed" in reason
    monkeypatch.undo()
    again = run_all(dataset, tmp_path / "out", retry_failed=True)
    assert again.table[["status", "n"]].to_numpy().tolist() == [["ok", 900]]


def test_rights_are_a_part_of_the_key(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_photo, access = folders.read_photo, os.access

    def closed(path: object) -> bool:
        return str(path).endswith(f"c{os.sep}299.png")

    def refused(path: Path, *rest: Any) -> Any:
        if closed(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_photo(path, *rest)

    monkeypatch.setattr(folders, "read_photo", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: not closed(path) and access(path, mode))
    fewer = run_all(dataset, tmp_path / "out")
    assert fewer.table["n"].tolist() == [899]
    assert run_all(dataset, tmp_path / "out").reused == 1
    monkeypatch.undo()
    again = run_all(dataset, tmp_path / "out")
    assert again.reused == 0 and again.table["n"].tolist() == [900]


@pytest.mark.parametrize("error", [OSError("image file is truncated"), OSError(errno.EINVAL, "x")])
def test_a_broken_photo_is_left_out(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    read_photo = folders.read_photo

    def broken(path: Path, *rest: Any) -> Any:
        if path.parent.name == "c" and path.name == "299.png":
            raise error
        return read_photo(path, *rest)

    monkeypatch.setattr(folders, "read_photo", broken)
    assert run_all(dataset, tmp_path / "out").table["n"].tolist() == [899]
