"""Adversarial images kept and scored again: the same numbers, whole archives, no image twice."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.execution import chunk as chunks
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid
from benchmark.runs import adversarial
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data.archive_writer import Blocks, write_archive
from estimators.data.images import Images, as_floats, subset
from estimators.errors import InputError
from reports.results.csv_file import read_csv

# every image but the last chunk of an oblivious attack is shared by three defences
GRID: dict[str, Any] = {
    "name": "kept",
    "samples": 130,
    "draws": 3,
    "defences": ["none", {"name": "jpeg", "quality": 50}, "gaussian"],
    "attacks": [
        {"name": "pgd", "eps": [0, 0.1], "max_iter": 3},
        {"name": "deepfool", "max_iter": 5},
        {"name": "fgsm", "eps": [0.1, 0.2]},
    ],
}
# whatever names the attack, and what it cost
OWN = ["cell", "attack", "attack_params", "zero_gradient", "nan_gradient", "gradients", "forwards"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that keeps its images."""
    directory = tmp_path_factory.mktemp("kept")
    run(Grid(**GRID), RunOptions(out=directory, threads=2, save_adversarial=True))
    return directory


def index(directory: Path) -> pd.DataFrame:
    return read_csv(directory / "adversarial" / "index.csv", "index")


def test_images_that_several_defences_share_are_one_archive(kept: Path) -> None:
    table, listed = pd.read_csv(kept / "results.csv"), index(kept)
    assert list(listed.columns) == list(adversarial.COLUMNS)
    # five attacks: one archive each for all who see no defence, two for those who see one
    assert len(listed) == 5 * 3
    cells = [key for keys in listed["cells"] for key in keys.split()]
    assert sorted(cells) == sorted(table["cell"])
    bare = listed[listed["sees"] == "none"]
    assert set(bare["cells"].str.count(" ") + 1) == {4}
    assert set(bare["threats"]) == {"oblivious adaptive"}
    files = {path.name for path in (kept / "adversarial").iterdir()}
    assert files == {*listed["file"], "index.csv"}
    assert not list(kept.rglob(".art-bench-*"))


def test_an_archive_holds_the_images_that_were_scored(kept: Path, digits: Images) -> None:
    chosen = subset(digits, 130, 0)
    table = pd.read_csv(kept / "results.csv").set_index("cell")
    for row in index(kept).to_dict("records"):
        with np.load(kept / "adversarial" / row["file"], allow_pickle=False) as held:
            assert set(held.files) == {"x", "ids", "y", "about"}
            assert np.array_equal(held["ids"], chosen.ids)
            assert np.array_equal(held["y"], chosen.y)
            about, x = json.loads(str(held["about"])), held["x"]
        assert x.dtype.name == row["dtype"] and x.shape == chosen.x.shape
        # clean images are grey levels, a step of 0.1 leaves them
        assert (x.dtype == np.uint8) == (row["eps"] == "0.0")
        change = np.abs(as_floats(x) - chosen.x).reshape(len(x), -1).max(1).astype(np.float64)
        scored = table.loc[row["cells"].split()]
        right = {cell: change[: len(x)].max() for cell in scored.index}
        assert all(scored["linf_max"] <= max(right.values()) + 1e-7)
        assert about["attack"] == row["attack"] and about["sees"] == row["sees"]
        assert about["versions"]["art-bench"]
        assert (about["eps"] is None) == (row["eps"] == "")


def test_scored_again_the_images_give_the_same_numbers(kept: Path, tmp_path: Path) -> None:
    listed = index(kept)
    bare = listed[(listed["sees"] == "none")]
    attacks = []
    for row in bare.to_dict("records"):
        entry: dict[str, Any] = {"name": f"images:{kept / 'adversarial' / row['file']}"}
        entry["norm"] = row["norm"]
        attacks.append(entry | ({"eps": float(row["eps"])} if row["eps"] else {}))
    grid = Grid(**{**GRID, "attacks": attacks, "threats": ["oblivious"]})
    run(grid, RunOptions(out=tmp_path / "again", threads=1))
    pairs = [(pd.read_csv(d / "results.csv", dtype=str) for d in (kept, tmp_path / "again"))]
    ((first, again),) = pairs
    first = first[first["threat"] == "oblivious"]
    assert len(again) == len(first) == 15
    # uint8 (eps 0) and float32, bounded and without a bound: the bytes of every number
    pd.testing.assert_frame_equal(
        first.drop(columns=OWN).reset_index(drop=True),
        again.drop(columns=OWN).reset_index(drop=True),
    )
    shown = [pd.read_parquet(d / "predictions.parquet") for d in (kept, tmp_path / "again")]
    for one, other in zip(first["cell"], again["cell"], strict=True):
        left, right = (
            of[of["cell"] == key].drop(columns="cell").reset_index(drop=True)
            for of, key in zip(shown, (one, other), strict=True)
        )
        pd.testing.assert_frame_equal(left, right)


def test_missing_archives_are_made_by_one_cell_each(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Grid(**{**GRID, "samples": 20, "attacks": GRID["attacks"][:1]})
    out = tmp_path / "later"
    run(small, RunOptions(out=out, threads=1))
    before = (out / "results.csv").read_bytes()
    started: list[tuple[int, int]] = []
    progress = Progress(started=lambda cells, reused, work: started.append((cells, reused)))
    options = RunOptions(out=out, threads=1, save_adversarial=True, progress=progress)
    run(small, options)
    # two eps, of each: one cell for all who see no defence, two who see one
    assert started[-1] == (6, 6)
    assert (out / "results.csv").read_bytes() == before
    written = {path: path.read_bytes() for path in (out / "adversarial").iterdir()}
    run(small, options)
    assert started[-1] == (0, 12)
    gone = next(path for path in written if path.suffix == ".npz")
    gone.unlink()
    run(small, options)
    assert started[-1] == (1, 11)
    assert {path: path.read_bytes() for path in (out / "adversarial").iterdir()} == written


def test_a_failed_attack_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = chunks.run_chunk

    def fails_in_the_second_chunk(task: Any, images: Images, cache: Any) -> Any:
        if len(images) < 125:
            raise ZeroDivisionError("made up")
        return real(task, images, cache)

    from benchmark.execution.threads import ThreadExecutor

    executor = ThreadExecutor(1, run_chunk=fails_in_the_second_chunk)
    grid = Grid(**{**GRID, "attacks": GRID["attacks"][:1], "defences": ["none"]})
    result = run(grid, RunOptions(out=tmp_path, save_adversarial=True), executor)
    assert len(result.failed) == 4
    assert not (tmp_path / "adversarial").exists()
    assert not list(tmp_path.rglob(".art-bench-*"))


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(adversarial.np, "save", full)
    grid = Grid(**{**GRID, "samples": 5, "attacks": GRID["attacks"][:1]})
    with pytest.raises(InputError, match=r"cannot be written .No space left.*free some space"):
        run(grid, RunOptions(out=tmp_path, threads=1, save_adversarial=True))


def test_an_archive_is_written_without_the_whole_in_memory(tmp_path: Path) -> None:
    block, count = np.zeros((100, 3, 64, 64), np.float32), 40
    tracemalloc.start()
    write_archive(
        tmp_path / "large.npz",
        {"x": Blocks((100 * count, 3, 64, 64), block.dtype, (block for _ in range(count)))},
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * block.nbytes < count * block.nbytes / 5
    with np.load(tmp_path / "large.npz", allow_pickle=False) as held:
        assert held["x"].shape == (4000, 3, 64, 64) and not held["x"].any()
