"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from estimators import atomic
from estimators.atomic import replace, replace_entries, replace_folder, sweep, sweep_all
from reports.results.atomic import replace_text

fcntl = pytest.importorskip("fcntl", reason="locks of files are of Linux and macOS")


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


def foreign(name: str) -> bool:
    return name == "notes.txt"


NAMES = {"plots": foreign, "gallery": foreign, "page.html": foreign}


def contents(folder: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_text() for p in files}


@pytest.mark.parametrize("system", ["exchange", "no exchange"])
def test_entries_are_exchanged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise OSError

    if system == "no exchange":
        monkeypatch.setattr("ctypes.CDLL", missing)

    def fill(side: Path, text: str, names: tuple[str, ...]) -> None:
        assert contents(tmp_path).get("page.html") != text
        for name in names:
            (side / name).parent.mkdir(exist_ok=True)
            (side / name).write_text(text)

    every = ("plots/a.png", "gallery/a.png", "page.html")
    (tmp_path / "other.txt").write_text("mine")
    replace_entries(tmp_path, lambda side: fill(side, "one", (*every, "plots/b.png")), NAMES)
    assert contents(tmp_path) == {**dict.fromkeys((*every, "plots/b.png"), "one"),
                                  "other.txt": "mine"}  # fmt: skip
    (tmp_path / "plots" / "notes.txt").write_text("mine")
    replace_entries(tmp_path, lambda side: fill(side, "two", every), NAMES)
    kept = {"other.txt": "mine", "plots/notes.txt": "mine"}
    assert contents(tmp_path) == {**dict.fromkeys(every, "two"), **kept}
    # what is not written goes, but for the files of others
    replace_entries(tmp_path, lambda side: fill(side, "three", every[2:]), NAMES)
    assert contents(tmp_path) == {"page.html": "three", **kept}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.txt", "page.html", "plots"]
    assert (tmp_path / "plots").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o644


def test_an_error_leaves_all_old_entries(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("old")

    def half(side: Path) -> None:
        (side / "page.html").write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_entries(tmp_path, half, NAMES)
    assert contents(tmp_path) == {"page.html": "old"} and len(list(tmp_path.iterdir())) == 1


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
if sys.argv[2] == "file":
    replace(root / "f.bin", stop)
elif sys.argv[2] == "folder":
    replace_folder(root / "g", stop)
else:
    import reports.results.atomic as of_reports
    of_reports.os.fsync = lambda handle: stop(next(root.glob(".art-bench-????????")))
    of_reports.replace_text(root / "report.html", "text")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files that are being written")
@pytest.mark.parametrize("everything", [False, True], ids=["sweep", "sweep_all"])
@pytest.mark.parametrize("kind", ["file", "folder", "report"])
def test_sweep_removes_what_the_dead_left(tmp_path: Path, kind: str, everything: bool) -> None:
    swept = sweep_all if everything else sweep
    (tmp_path / ".art-bench-a-part-0.npy").write_text("of a run")
    (tmp_path / "tmpabcdefgh").write_text("of somebody else")
    if everything:
        sweep_all(tmp_path)
    mine = set(tmp_path.iterdir())
    assert len(mine) == (1 if everything else 2)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), kind], **pipes) as process:
        assert process.stdout and process.stdout.readline() == "writing\n"
        (left,) = set(tmp_path.iterdir()) - mine
        assert left.name.startswith(".art-bench-")
        swept(tmp_path)
        assert left.exists()  # its process lives
        process.kill()
    swept(tmp_path)
    assert set(tmp_path.iterdir()) == mine


@pytest.mark.parametrize("system", ["Windows", "no locks"])
def test_without_locks_a_sweep_goes_by_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    def missing(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(*((atomic, "fcntl", None) if system == "Windows" else
                          (atomic.fcntl, "flock", missing)))  # fmt: skip
    replace(tmp_path / "f", lambda path: path.write_text("writing works"))
    old, new = tmp_path / ".art-bench-abcdefgh", tmp_path / ".art-bench-hgfedcba"
    for path in (old, new):
        path.write_text("")
    os.utime(old, (time.time() - 86_500,) * 2)
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".art-bench-hgfedcba", "f"]
    # a run holds its directory, so nobody else writes there but a report
    sweep_all(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_sweep_between_the_making_and_the_lock_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, swept = fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not swept:
            swept.append(1)
            sweep(tmp_path)
            assert list(tmp_path.iterdir()) == []
        honest(handle, how)

    for write in (
        lambda: replace(tmp_path / "f", lambda path: path.write_text("one")),
        lambda: replace_text(tmp_path / "f", "one"),
    ):
        (tmp_path / "f").unlink(missing_ok=True)
        swept.clear()
        monkeypatch.setattr(fcntl, "flock", late)
        write()
        monkeypatch.setattr(fcntl, "flock", honest)
        assert swept and (tmp_path / "f").read_text() == "one"
        assert len(list(tmp_path.iterdir())) == 1


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
