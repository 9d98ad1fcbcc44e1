"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimators.atomic import replace


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    replace(path, lambda temporary: temporary.write_text("one"))
    assert path.read_text() == "one"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text("old")

    def half(temporary: Path) -> None:
        assert temporary.parent == tmp_path and temporary.name.startswith(".art-bench-")
        temporary.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
