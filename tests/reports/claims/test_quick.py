"""What a quick run says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.claims.quick import FILE, quick_note, write_size


def test_the_note_names_claims_by_reason(tmp_path: Path) -> None:
    write_size(tmp_path, True, {"C14": "too few", "C8": "too few", "C10": "too small"})
    assert quick_note(tmp_path) == (
        "This is a quick run: for a look, not for the verdicts. It cannot decide C8 and C14 (too"
        " few) and C10 (too small). Its other verdicts rest on fewer images than those of `bench"
        " paper`."
    )
    write_size(tmp_path, True, {})
    assert "cannot decide" not in quick_note(tmp_path)


def test_another_run_has_no_note(tmp_path: Path) -> None:
    assert quick_note(tmp_path) == ""
    write_size(tmp_path, False, {"C8": "too few"})
    assert quick_note(tmp_path) == ""


@pytest.mark.parametrize("text", ["", "[]", '{"quick": 1}', "{"])
def test_a_file_of_others(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert quick_note(tmp_path) == ""
