"""A text is written whole, by several processes at once too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from estimators import atomic as of_estimators
from reports.errors import TableError
from reports.results import atomic
from reports.results.atomic import replace_text


def test_a_second_writer_does_not_take_the_file_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins and ends between the writing and the renaming of the first."""
    path = tmp_path / "report.html"
    honest = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", honest)
        replace_text(path, "second")
        return honest(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    replace_text(path, "first")
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_failure_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TableError, match="No space left on device"):
        replace_text(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["report.html"]


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """As `--junit /dev/stdout`: a renamed file would take the place of the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    replace_text(pipe, "text")
    assert os.read(reader, 100) == b"text"
    assert not pipe.is_file()
    os.close(reader)


def test_any_text_is_written(tmp_path: Path) -> None:
    replace_text(tmp_path / "a", "\udcff\ud800\u2026")
    assert (tmp_path / "a").read_bytes() == b"\\udcff\\ud800\xe2\x80\xa6"


def test_a_run_sweeps_what_a_killed_report_left() -> None:
    assert atomic.PREFIX == of_estimators.PREFIX


def test_rights_stay_and_a_file_in_a_folder_of_others_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.csv"
    replace_text(path, "one")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    replace_text(path, "two")
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = path.stat().st_ino
    replace_text(path, "three")
    assert path.read_text() == "three" and path.stat().st_ino == before
