"""`bench init`: the file that it writes runs as it is, and the schema knows every grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.grids.model import SHIPPED, load_grid
from benchmark.grids.scaffold import grid_text
from benchmark.grids.schema import SCHEMA_FILE, schema_text
from estimators.spec import Spec
from estimators.yaml_values import read_yaml
from reports.results.read_write import read_results


@pytest.mark.slow
def test_the_file_runs_as_it_is_written(bench, npz, tmp_path: Path) -> None:
    data = npz()
    code, out = bench("init", "--network", "lenet", "--dataset", f"npz:{data}", "--out", "my.yaml")
    assert code == 0, out
    assert "bench run --grid my.yaml" in out
    code, out = bench("run", "--grid", "my.yaml", "--out", "r")
    assert code == 0, out
    rows = read_results(tmp_path / "r")
    assert set(rows["n"]) == {20}
    assert len(rows) == (5 + 4 + 5) * 5 * 2


def test_code_wants_allow_import(bench, module, tmp_path: Path) -> None:
    module(
        "mine",
        """
        from torch import nn
        def net(width=8): return nn.Sequential(nn.Flatten(), nn.Linear(784, width))
        """,
    )
    code, out = bench("init", "--network", "mine:net:width=10", "--out", "my.yaml")
    assert code == 0
    assert out.strip().endswith("bench run --grid my.yaml --allow-import")
    code, out = bench("run", "--grid", "my.yaml")
    assert code == 2
    assert "--allow-import" in out
    narrow = ("--attack", "noise", "--samples", "10", "--out", "r")
    code, out = bench("run", "--grid", "my.yaml", "--allow-import", *narrow)
    assert code == 0, out


def test_nothing_is_written_over(bench, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("precious")
    code, out = bench("init", "--out", "my.yaml")
    assert code == 2
    assert "exists already; --force" in out
    assert (tmp_path / "my.yaml").read_text() == "precious"
    assert bench("init", "--out", "my.yaml", "--force")[0] == 0
    assert load_grid(tmp_path / "my.yaml").name == "my"


BAD = {
    "network": (["--network", "lennet"], "did you mean 'lenet'"),
    "data set": (["--dataset", "minst"], "did you mean 'mnist'"),
    "place": (["--out", "no/folder/my.yaml"], "cannot be written"),
    "suffix": (["--out", "my.txt"], "ends in .yaml"),
    "module": (["--network", "nowhere:net"], "No module named 'nowhere'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_command_lines(bench, tmp_path: Path, case: str) -> None:
    options, message = BAD[case]
    code, out = bench("init", *options)
    assert code == 2, out
    assert message in out
    assert len(out.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.yaml"))


def test_every_parameter_comes_back(npz, tmp_path: Path) -> None:
    """Colour, weights, a mean by channel, odd names: what the file says is what was asked for."""
    x = np.zeros((20, 3, 16, 16), dtype=np.uint8)
    dataset = f"npz:{npz(x_test=x)}"
    network = Spec.of("cnn", weights="my: file.pt", mean=[0.1, 0.2, 0.3], std=0.5)
    path = tmp_path / "#odd name.yaml"
    path.write_text(grid_text(network, dataset, path))
    grid = load_grid(path)
    assert {cell.network for cell in grid.cells()} == {network}
    assert {cell.dataset for cell in grid.cells()} == {dataset}
    assert grid.samples == 20
    assert max(cell.eps for cell in grid.cells()) < 0.1


def test_data_that_are_not_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("offline")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", offline)
    text = grid_text(Spec("cnn"), "cifar10", tmp_path / "my.yaml")
    assert "eps: [0, 1/255, 2/255, 4/255, 8/255]" in text
    assert read_yaml(text)["attacks"][0]["eps"][-1] == 8 / 255


def test_the_schema_is_that_of_the_code(bench) -> None:
    """`bench init --schema > benchmark/grids/grid.schema.json` writes it again."""
    assert SCHEMA_FILE.parent == SHIPPED
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
    code, out = bench("init", "--schema")
    assert (code, out) == (0, schema_text())
    assert SCHEMA_FILE.as_uri() in grid_text(Spec("lenet"), "digits", Path("my.yaml"))
