"""Data sets with options in a grid file."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.grids.cell import Inputs
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from estimators.errors import InputError

FILE = """
datasets:
  - {name: "imagefolder:my photos", resize: 256, crop: [224, 192]}
  - "imagefolder:my photos[crop=8]"
  - digits
attacks: [{name: fgsm, eps: 0.1}]
threats: [oblivious]
"""


def test_options_are_keys_or_brackets(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(FILE, encoding="utf-8")
    grid = load_grid(path)
    assert [cell.dataset for cell in grid.cells()] == [
        "imagefolder:my photos[resize=256,crop=224]",
        "imagefolder:my photos[resize=256,crop=192]",
        "imagefolder:my photos[crop=8]",
        "digits",
    ]
    kept = narrowed(grid, datasets=["digits"])
    assert [cell.dataset for cell in kept.cells()] == ["digits"]


BAD = {
    "{name: 'imagefolder:p', size: 224}": "unknown option .*'size'",
    "{name: 'imagefolder:p', resize: 0}": "resize must be an integer",
    "{name: 'imagefolder:p', resize: yes}": "resize must be an integer",
    "{name: mnist, crop: 24}": "mnist: takes no parameters, got crop",
    "{crop: 24}": "an entry needs a `name`",
    "'imagefolder:p[resize=1,crop=2]'": "crop 2 is larger",
}


@pytest.mark.parametrize("entry", BAD)
def test_bad_options_name_the_file(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "own.yaml"
    text = f"datasets: [{entry}]\nattacks: [{{name: fgsm, eps: 0.1}}]\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=BAD[entry]) as told:
        load_grid(path)
    assert "own.yaml" in str(told.value) and "\n" not in str(told.value)


def test_keys_of_data_sets_without_options_stay() -> None:
    grid = Grid(name="g", attacks=[{"name": "fgsm", "eps": 0.1}], threats=["oblivious"])
    (cell,) = grid.cells()
    assert cell.key(Inputs("d", "w")) == "6b81c934a802ed4e"
