"""Runs on chosen images, and another grid in the same directory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.grids.cell import Inputs
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data.images import Images
from estimators.errors import InputError
from reports.classes.tables import per_class, read_class_data
from reports.errors import TableError
from reports.results.read_write import read_results

NOISE = {"name": "noise", "eps": 0.1}


def grid(name: str = "chosen", **more: object) -> Grid:
    """Return a grid of one cell."""
    content = {"name": name, "attacks": [NOISE], "threats": ["oblivious"], **more}
    return Grid.model_validate(content)


def asked(directory: Path) -> dict[str, int]:
    """Return the numbers of images that the manifest gives for choices."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    (about,) = manifest["data"].values()
    return dict(about.get("asked", {}))


def test_each_form_in_a_grid_file_and_on_the_command_line(
    bench, tmp_path: Path, digits: Images
) -> None:
    chosen = sorted(int(i) for i in digits.ids[[5, 3, 499]])
    (tmp_path / "ids.txt").write_text("".join(f"{i}\n" for i in chosen), encoding="utf-8")
    blocks = [{"samples": s} for s in ("balanced:2", "first:7", "ids.txt", 5)]
    (tmp_path / "own.yaml").write_text(
        json.dumps({"attacks": [NOISE], "threats": ["oblivious"], "blocks": blocks}),
        encoding="utf-8",
    )
    code, out = bench("run", "--grid", "own.yaml", "--out", "r")
    assert code == 0, out
    table = read_results(tmp_path / "r")
    assert table["n"].tolist() == [20, 7, 3, 5]
    ids = "ids.txt#" + table["samples"][2][-16:]
    assert table["samples"].tolist() == ["balanced:2", "first:7", ids, "5"]
    assert asked(tmp_path / "r") == {"balanced:2": 20, "first:7": 7, ids: 3}
    predictions = pd.read_parquet(tmp_path / "r" / "predictions.parquet")
    by_cell = {key: rows for key, rows in predictions.groupby("cell", observed=True)}
    assert sorted(by_cell[table["cell"][1]]["id"]) == sorted(digits.ids[:7])
    assert sorted(by_cell[table["cell"][2]]["id"]) == chosen
    counts = per_class(read_class_data(tmp_path / "r"))
    assert set(counts["n"][counts["samples"] == "balanced:2"]) == {2}
    assert (tmp_path / "r" / "per_class.csv").is_file()
    # the same choice on the command line is the same cell
    for number, choice in enumerate(("balanced:2", "first:7", "ids.txt")):
        args = ("--attack", "noise:eps=0.1", "--threat", "oblivious", "--defence", "none")
        code, out = bench("run", *args, "--samples", choice, "--out", f"c{number}")
        assert code == 0, out
        assert read_results(tmp_path / f"c{number}")["cell"].tolist() == [table["cell"][number]]


def test_the_key_of_a_choice(tmp_path: Path) -> None:
    def key(samples: object) -> str:
        return grid(samples=samples).cells()[0].key(Inputs())

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "ids.txt").write_text("3\n4\n", encoding="utf-8")
    (tmp_path / "b" / "other.txt").write_text("# the same\n3\n4\n", encoding="utf-8")
    (tmp_path / "b" / "ids.txt").write_text("4\n3\n", encoding="utf-8")
    assert key("a/ids.txt") == key("b/other.txt")
    every = ["a/ids.txt", "b/ids.txt", 2, "first:2", "balanced:2", "all"]
    assert len({key(samples) for samples in every}) == len(every)


def test_photos_are_chosen_without_being_decoded(tmp_path: Path) -> None:
    """The labels of a folder are known: a photo that is not chosen may be broken."""
    rng = np.random.default_rng(0)
    for label in ("ant", "bee", "cow"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef build(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28 * 3, classes))\n",
        encoding="utf-8",
    )
    (tmp_path / "ids.txt").write_text("8\n0\n", encoding="utf-8")
    options = {"datasets": [f"imagefolder:{tmp_path / 'photos'}"], "networks": ["net:build"]}
    of = Grid.model_validate(
        {"name": "photos", "attacks": [NOISE], "threats": ["oblivious"], **options,
         "blocks": [{"samples": s} for s in ("balanced:2", "first:5", "ids.txt")]}
    )  # fmt: skip
    table = run(of, RunOptions(out=tmp_path / "r")).table
    assert table["status"].tolist() == ["ok"] * 3
    assert table["n"].tolist() == [6, 5, 2]
    assert sorted(asked(tmp_path / "r").values()) == [2, 5, 6]
    counts = per_class(read_class_data(tmp_path / "r"))
    assert counts["class_name"][:3].tolist() == ["ant", "bee", "cow"]


def test_bad_choices_end_the_run_before_any_work(bench, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("999999\n", encoding="utf-8")
    for choice, said in (
        ("balanced:51", "at most balanced:"),
        ("first:501", "has 500 images"),
        ("ids.txt", "has no image of id 999999"),
        ("frist:3", "expected a number of at least 1, all, first:N"),
    ):
        code, out = bench("run", "--attack", "noise", "--samples", choice, "--out", "r")
        assert code == 2
        assert said in out, out
        assert not (tmp_path / "r").exists()


def test_another_grid_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    first = grid("first", samples=10, defences=["none", "quantize"])
    options = RunOptions(out=tmp_path / "r")
    before = run(first, options).table
    files = {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir() if p.is_file()}
    second = grid("second", samples=10, attacks=[{"name": "fgm", "eps": 1}])
    with pytest.raises(TableError, match="2 rows of the grid first, and the grid second would"):
        run(second, options)
    # part of the same grid would remove rows, too
    part = narrowed(first, defences=[])
    part.blocks[0].defences = ["none"]
    with pytest.raises(TableError, match="grid first, as it is asked for now, would remove 1 of"):
        run(part, options)
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir() if p.is_file()}
    # more than before is no loss
    more = grid("first", samples=10, defences=["none", "quantize", {"name": "jpeg", "quality": 50}])
    assert run(more, options).reused == 2
    # the second grid on request, and back: all is stored
    assert run(second, RunOptions(out=tmp_path / "r", replace=True)).reused == 0
    again = run(first, RunOptions(out=tmp_path / "r", replace=True))
    assert again.reused == 2
    pd.testing.assert_frame_equal(again.table, before)


def test_a_grid_with_other_samples_is_another(bench) -> None:
    args = ("run", "--attack", "noise:eps=0.1", "--threat", "oblivious", "--defence", "none")
    assert bench(*args, "--samples", "5", "--out", "r")[0] == 0
    assert bench(*args, "--samples", "5", "--out", "r", "--retry-failed")[0] == 0
    code, out = bench(*args, "--samples", "6", "--out", "r")
    assert code == 2
    assert "name another --out, or add --replace" in out
    assert len(out.strip().splitlines()) == 1
    assert bench(*args, "--samples", "6", "--out", "r", "--replace")[0] == 0


def test_options_of_a_grid_are_strict() -> None:
    with pytest.raises(InputError, match="a number of at least 1"):
        narrowed(load_grid("quick"), samples="5")
