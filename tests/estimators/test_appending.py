"""A log has a whole entry or none of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import little_room

from estimators.appending import append_text


def test_entries_follow_each_other(tmp_path: Path) -> None:
    log = tmp_path / "failures.log"
    append_text(log, "first: ü\n")
    append_text(log, "second: \udc80\n")
    append_text(log, "")
    assert log.read_text(encoding="utf-8") == "first: ü\nsecond: \\udc80\n"


def test_an_entry_without_room_leaves_no_part(tmp_path: Path) -> None:
    log = tmp_path / "failures.log"
    with little_room(100):
        with pytest.raises(OSError, match="File too large"):
            append_text(log, "x" * 101)
        assert not log.exists()
        append_text(log, "first\n")
        with pytest.raises(OSError, match="File too large"):
            append_text(log, "x" * 101)
        assert log.read_bytes() == b"first\n"
    append_text(log, "second\n")
    assert log.read_bytes() == b"first\nsecond\n"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        append_text(tmp_path / "missing" / "failures.log", "x")
