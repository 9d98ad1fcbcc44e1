"""What a run adds for its page with the networks at hand: attacked images and facts of outputs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid
from benchmark.runs.gallery import write_gallery
from benchmark.runs.inputs import RunInputs
from benchmark.runs.loading.gather import gather
from benchmark.runs.network_outputs import output_facts
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data.images import Images
from estimators.errors import NetworkError
from reports.page.parts import gallery
from reports.results.read_write import read_results

GRID = {
    "name": "shown",
    "attacks": [
        {"name": "fgsm", "eps": [0, 0.1, 0.15]},
        {"name": "noise", "eps": 0.1},
        {"name": "pgd", "eps": 0.1, "max_iter": 5},
    ],
    "defences": ["none", "quantize", {"name": "jpeg", "quality": [75, 10]}],
    "samples": 100,
}
ROLES = ["clean", "noise", "attacked", "behind"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Cell], RunInputs]:
    """A small run with its cells and inputs."""
    folder = tmp_path_factory.mktemp("shown")
    grid = Grid(**GRID)
    run(grid, RunOptions(out=folder, threads=1))
    cells = grid.cells()
    return folder, cells, gather(cells, RunOptions(), "cpu")


def write(shown: tuple[Path, list[Cell], RunInputs]) -> list[dict[str, object]]:
    folder, cells, inputs = shown
    shutil.rmtree(folder / "gallery")
    return write_gallery(cells, read_results(folder), inputs, folder, folder / "gallery")


def test_stories_are_true(shown: tuple[Path, list[Cell], RunInputs]) -> None:
    folder, _, inputs = shown
    entries = write(shown)
    images = inputs.images["digits"]
    assert 3 <= len(entries) <= 6
    assert {"rescued", "lost"} <= {entry["story"] for entry in entries}
    for entry in entries:
        clean, noise, attacked, behind = entry["pictures"]
        assert [p["role"] for p in entry["pictures"]] == ROLES
        place = int(np.flatnonzero(images.ids == entry["id"])[0])
        assert entry["label"] == images.classes[images.y[place]]
        assert clean["right"] and not noise.get("predicted")
        assert entry["linf"] <= entry["eps"] * (1 + 1e-5)
        if entry["story"] == "rescued":
            assert not attacked["right"] and behind["right"]
        if entry["story"] == "lost":
            assert not attacked["right"] and not behind["right"]
        assert (entry["threat"] == "adaptive") == (entry["story"] == "adaptive")
        pixels = [np.asarray(Image.open(folder / "gallery" / p["file"])) for p in entry["pictures"]]
        assert all(p.shape == (28, 28) and p.dtype == np.uint8 for p in pixels)
        assert np.array_equal(pixels[0], np.round(images.x[place, 0] * 255).astype(np.uint8))
        # the noise is drawn around grey, up to black or white
        assert {int(pixels[1].min()), int(pixels[1].max())} & {0, 255}
        change = pixels[2].astype(float) - pixels[0]
        drawn = (pixels[1].astype(float) - 127.5) / entry["noise_scale"]
        assert np.abs(change - drawn).max() <= 1


def test_the_same_run_shows_the_same_images(shown: tuple[Path, list[Cell], RunInputs]) -> None:
    folder, cells, inputs = shown
    first = write(shown)
    files = {p.name: p.read_bytes() for p in (folder / "gallery").iterdir()}
    assert first == write(shown)
    assert files == {p.name: p.read_bytes() for p in (folder / "gallery").iterdir()}
    assert json.loads((folder / "gallery" / "gallery.json").read_text()) == first
    assert len(gallery(folder, 1_000_000)[0]["entries"]) == len(first)
    # and what no longer belongs there goes
    table = read_results(folder).assign(status="failed")
    assert write_gallery(cells, table, inputs, folder, folder / "none") == []
    assert not (folder / "none").exists()


def test_a_run_without_jpeg_or_predictions(tmp_path: Path) -> None:
    grid = Grid(name="bare", attacks=[{"name": "fgsm", "eps": 0.15}], samples=30)
    run(grid, RunOptions(out=tmp_path))
    cells = grid.cells()
    inputs = gather(cells, RunOptions(), "cpu")
    table = read_results(tmp_path)
    (entry,) = write_gallery(cells, table, inputs, tmp_path, tmp_path / "own")
    assert entry["story"] == "lost" and entry["defence"] == "no defence"
    assert [p["role"] for p in entry["pictures"]] == ROLES[:3]
    (tmp_path / "predictions.parquet").unlink()
    assert write_gallery(cells, table, inputs, tmp_path, tmp_path / "none") == []


def test_code_that_fails_for_one_image_costs_its_picture(
    shown: tuple[Path, list[Cell], RunInputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []

    def fails(*_: object) -> None:
        raise errors[-1]

    folder, cells, inputs = shown
    monkeypatch.setattr("benchmark.runs.gallery._craft", fails)
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    for error in (RuntimeError("a batch of one"), NetworkError("mine", "a batch of one")):
        errors.append(error)
        assert write_gallery(cells, read_results(copy), inputs, copy, tmp_path / "own") == []
        log = (copy / "failures.log").read_text()
        assert re.fullmatch(r"(gallery, image \d+: [^\n]*a batch of one\n)+", log)
        (copy / "failures.log").unlink()
    errors.append(OSError("no space left"))
    with pytest.raises(OSError, match="no space left"):
        write_gallery(cells, read_results(copy), inputs, copy, tmp_path / "own")


def test_output_facts(digits: Images, digits_lenet: torch.nn.Module) -> None:
    facts = output_facts(digits_lenet, digits, 125)
    assert facts["images"] == 125
    assert facts["low"] < 0 and facts["high"] > 1
    facts = output_facts(torch.nn.Sequential(digits_lenet, torch.nn.Softmax(1)), digits[:10], 125)
    assert facts["images"] == 10
    assert 0 <= facts["low"] <= facts["high"] <= 1
    assert facts["sum_low"] == pytest.approx(1) == facts["sum_high"]
    assert pd.Series(facts).notna().all()
