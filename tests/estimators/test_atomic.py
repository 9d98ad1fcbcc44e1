"""Files that are written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from estimators.atomic import replace, replace_folder, sweep, sweep_all


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


def test_a_folder_is_exchanged_and_keeps_what_is_foreign(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    replace_folder(folder, lambda side: (side / "a.txt").write_text("one"))
    assert (folder / "a.txt").read_text() == "one"
    assert folder.stat().st_mode & 0o777 == 0o755
    (folder / "notes").mkdir()
    (folder / "notes" / "n.txt").write_text("mine")
    (folder / "old.txt").write_text("goes")
    keeps = {"notes", "b.txt"}.__contains__
    (folder / "b.txt").write_text("mine, too")
    replace_folder(folder, lambda side: (side / "a.txt").write_text("two"), keeps)
    files = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.txt")}
    assert files == {"a.txt": "two", "b.txt": "mine, too", "notes/n.txt": "mine"}
    replace_folder(folder, lambda side: None)
    assert list(tmp_path.iterdir()) == []


def test_without_an_exchange_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise OSError

    monkeypatch.setattr("ctypes.CDLL", missing)
    for text in ("one", "two"):
        replace_folder(tmp_path / "g", lambda side, text=text: (side / "a").write_text(text))
    assert (tmp_path / "g" / "a").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["g"]


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    replace_folder(tmp_path / "g", lambda side: (side / "a").write_text("one"))

    def half(side: Path) -> None:
        (side / "a").write_text("tw")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_folder(tmp_path / "g", half)
    assert (tmp_path / "g" / "a").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["g"]


KILLED = """
import os, sys
import subprocess
import sys
from pathlib import Path
from estimators.atomic import replace, replace_folder
root = Path(sys.argv[1])
def stop(path):
    (path / "half" if path.is_dir() else path).write_text("ha")
    print("writing", flush=True)
    sys.stdin.readline()
    os._exit(9)
replace(root / "f.bin", stop) if sys.argv[2] == "file" else replace_folder(root / "g", stop)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files that are being written")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_sweep_removes_what_the_dead_left(tmp_path: Path, kind: str) -> None:
    (tmp_path / ".art-bench-a-part-0.npy").write_text("of a run")
    (tmp_path / "tmpabcdefgh").write_text("of somebody else")
    mine = set(tmp_path.iterdir())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), kind], **pipes) as process:
        assert process.stdout and process.stdout.readline() == "writing\n"
        (left,) = set(tmp_path.iterdir()) - mine
        assert left.name.startswith(".art-bench-")
        sweep(tmp_path)
        assert left.exists()  # its process lives
        process.kill()
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == mine


def test_sweep_all_goes_below_but_not_through_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".art-bench-kept").write_text("")
    run = tmp_path / "run"
    (run / "plots" / ".art-bench-side").mkdir(parents=True)
    (run / "plots" / ".art-bench-side" / "a.png").write_text("")
    (run / ".art-bench-file").write_text("")
    (run / "plots" / "a.png").write_text("")
    (run / "link").symlink_to(tmp_path / "elsewhere")
    (run / ".art-bench-link").symlink_to(tmp_path / "elsewhere")
    sweep_all(run)
    assert sorted(p.relative_to(run).as_posix() for p in run.rglob("*.png")) == ["plots/a.png"]
    assert sorted(p.name for p in run.iterdir()) == ["link", "plots"]
    assert (tmp_path / "elsewhere" / ".art-bench-kept").exists()
