"""Training curves and layer tables as a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.studies.cache import run_study
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from benchmark.studies.training import compute
from estimators.spec import Spec
from estimators.training.checkpoints import HISTORY, shipped_file

TOTALS = {("mnist", "lenet"): 61_706, ("mnist", "resnet"): 152_842, ("cifar10", "cnn"): 552_362}


def test_the_four_networks_as_the_paper_counts_them() -> None:
    tables = compute(make_request(STUDIES["training"])).tables
    totals = tables["layers"].groupby(["dataset", "network"])["parameters"].sum()
    assert len(totals) == 4
    for place, total in TOTALS.items():
        assert totals[place] == total
    assert tables["history"].groupby(["dataset", "network"])["epoch"].max().to_dict() == {
        ("mnist", "lenet"): 15,
        ("mnist", "resnet"): 8,
        ("cifar10", "lenet"): 30,
        ("cifar10", "cnn"): 30,
    }


def test_history_is_the_one_beside_the_weights(tmp_path: Path) -> None:
    request = make_request(STUDIES["training"], "digits", Spec("lenet"))
    folder = run_study("training", request, tmp_path / "out").folder
    history = pd.read_csv(folder / "history.csv")
    shipped = pd.read_csv(shipped_file("digits", Spec("lenet")).with_suffix(HISTORY))
    assert len(history) == 4 * len(shipped)
    picked = history[(history["split"] == "test") & (history["measure"] == "loss")]
    assert list(picked["value"]) == list(shipped["test_loss"])
    layers = pd.read_csv(folder / "layers.csv")
    assert list(layers["output_shape"].iloc[:3]) == ["6x28x28", "6x28x28", "6x14x14"]
    assert sorted(path.name for path in folder.glob("*.png")) == [
        "curves-digits-lenet.png",
        "layers-digits-lenet.png",
    ]
