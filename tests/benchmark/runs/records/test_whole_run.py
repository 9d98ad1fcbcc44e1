"""The same command repairs a run directory in which pieces are missing, cut short or changed."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.grids.model import Grid
from benchmark.runs import gallery
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from benchmark.runs.store import FILE

GRID = """
samples: 40
threats: [oblivious]
defences: [none, quantize]
attacks: [{name: fgsm, eps: [0.1, 0.15]}]
"""


def pieces(directory: Path) -> dict[str, bytes]:
    """What a reader looks at; times and the store's own pages differ between runs."""
    shown = [*directory.glob("gallery/*"), *directory.glob("plots/*"), directory / "report.html"]
    shown += [directory / name for name in ("results.csv", "predictions.parquet", "audit.csv")]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in shown}


def test_missing_and_damaged_pieces(bench, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(GRID)
    # the page says how many threads there were
    command = ("run", "--grid", str(tmp_path / "small.yaml"), "--out", "r", "--threads", "1")
    code, out = bench(*command)
    assert code == 0, out
    directory = tmp_path / "r"
    whole = pieces(directory)
    pictures, plots = (sorted(directory.glob(f"{name}/*.png")) for name in ("gallery", "plots"))
    assert len(pictures) > 2 and plots
    pictures[0].unlink()
    pictures[1].write_bytes(b"")
    plots[0].write_bytes(plots[0].read_bytes()[:100])
    (directory / "report.html").write_text("<html>")
    for place in (directory, directory / "gallery", directory / "plots"):
        (place / ".art-bench-left1234.png").write_bytes(b"of a killed run")
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        db.execute("UPDATE cells SET row = replace(row, '\"accuracy\": 0', '\"accuracy\": 1')")
    code, out = bench(*command)
    assert code == 0, out
    (said,) = [line for line in out.splitlines() if "set aside" in line]
    assert "damaged or changed" in said
    assert pieces(directory) == whole
    assert not list(directory.rglob(".art-bench-*"))
    (directory / "gallery" / "mine.txt").write_text("notes")
    code, out = bench(*command)
    assert code == 0 and "set aside" not in out and "reused 4 of 4 cells" in out, out
    assert pieces(directory) == {**whole, "gallery/mine.txt": b"notes"}


def test_stopped_while_the_gallery_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(name="g", attacks=[{"name": "fgsm", "eps": [0.1, 0.15]}], samples=40)
    run(grid, RunOptions(out=tmp_path))
    whole = pieces(tmp_path)
    with monkeypatch.context() as patch:

        def half(pixels: object, path: Path) -> None:
            path.write_bytes(b"half")
            signal.raise_signal(signal.SIGINT)

        patch.setattr(gallery, "_save_png", half)
        with pytest.raises(KeyboardInterrupt):
            run(grid, RunOptions(out=tmp_path))
    assert pieces(tmp_path) == whole
    assert not list(tmp_path.rglob(".art-bench-*"))
