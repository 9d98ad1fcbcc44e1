"""Runs of external networks whose gradients or outputs are spoilt: the right number, and a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from benchmark.runs.gallery import _prediction
from reports.audit.audit import read_audit
from reports.results.predictions import read_predictions
from reports.results.read_write import read_results

# the nearest class mean, as a linear network: no training, and the embedded data alone
NETWORKS = """
    import torch
    from torch import nn

    from estimators.data.load import load_images


    class Net(nn.Module):
        def __init__(self, change):
            super().__init__()
            images = load_images("digits", "train")
            x, y = torch.from_numpy(images.x).flatten(1), torch.from_numpy(images.y)
            mean = torch.stack([x[y == k].mean(0) for k in range(10)])
            self.register_buffer("weight", mean)
            self.register_buffer("bias", -mean.square().sum(1) / 2)
            self.change = change

        def forward(self, x):
            return self.change(x.flatten(1) @ self.weight.T + self.bias, x)


    def nan_branch(z, x):
        # below zero for dark images, which are most
        dark = x.mean((1, 2, 3)) - 0.33
        root = torch.where(dark > 0, dark.sqrt(), torch.zeros_like(dark))
        return z + 1e-4 * root[:, None]


    def nan_output(z, x):
        return z + 0 * torch.log(0.38 - x.mean((1, 2, 3)))[:, None]


    def plain():
        return Net(lambda z, x: z)


    def hundred():
        return Net(lambda z, x: 100 * torch.softmax(z, 1))


    def sigmoid():
        return Net(lambda z, x: torch.sigmoid(z - z.amax(1, keepdim=True).detach() + 20))


    def branch():
        return Net(nan_branch)


    def bright():
        return Net(nan_output)


    class Brightest(nn.Module):
        def forward(self, x):
            return 10 * x.flatten(1)
"""
PGD = "pgd:eps=0.1,max_iter=8"


def ran(bench: Any, *args: str) -> str:
    code, printed = bench("run", *args, "--out", "out", "--replace", "--threads", "1")
    assert code == 0, printed
    return printed


def of(bench: Any, network: str, attack: str = PGD) -> tuple[pd.Series, str]:
    """Return the row of a network under an attack, and what the run printed."""
    where = ["--threat", "oblivious", "--defence", "none", "--samples", "60"]
    spec = f"honest_nets:{network}"
    printed = ran(bench, "--dataset", "digits", "--network", spec, "--attack", attack, *where)
    (row,) = read_results(Path("out")).to_dict("records")
    return pd.Series(row), printed


@pytest.fixture
def networks(module: Any) -> None:
    module("honest_nets", NETWORKS)


def test_squashed_outputs_are_attacked_as_logits_are(networks: None, bench: Any) -> None:
    plain, printed = of(bench, "plain")
    assert "warning" not in printed
    assert plain["clean_accuracy"] > 0.8 and plain["accuracy"] < plain["clean_accuracy"] - 0.2
    hundred, printed = of(bench, "hundred")
    assert hundred["clean_correct"] == plain["clean_correct"]
    assert abs(hundred["correct"] - plain["correct"]) <= 2
    # before any number
    head = printed.partition("accuracy at the")[0]
    assert "warning: honest_nets:hundred on digits: its outputs are probabilities" in head
    assert "repeated with the margin" in Path("out/report.html").read_text(encoding="utf-8")
    listed = json.loads(Path("out/manifest.json").read_text(encoding="utf-8"))["squashed"]
    assert list(listed) == ["digits/honest_nets:hundred"]
    # what was found is printed again
    assert "warning: honest_nets:hundred on digits" in bench("report", "out")[1]


def test_nan_gradients_count_and_fail_the_audit(networks: None, bench: Any) -> None:
    plain, _ = of(bench, "plain")
    assert plain["nan_gradient"] == 0 and plain["non_finite"] == 0
    row, _ = of(bench, "branch")
    assert abs(row["correct"] - plain["correct"]) <= 2
    assert 0.1 < row["nan_gradient"] <= 1 and row["zero_gradient"] == 0
    found = read_audit(Path("out"))
    assert found is not None
    (status,) = found.loc[found["check"] == "nan-gradient", "status"]
    assert status == "fail"


def test_outputs_that_turn_nan_are_wrong(networks: None, bench: Any) -> None:
    plain, _ = of(bench, "plain", "square:eps=0.05,queries=40")
    row, printed = of(bench, "bright", "square:eps=0.05,queries=40")
    assert 0 < row["non_finite"] <= row["n"] - row["correct"]
    assert row["correct"] < plain["correct"]
    predictions = read_predictions(Path("out"))
    assert predictions is not None
    adversarial = predictions.arrays["adversarial"]
    assert (adversarial == -1).sum() == row["non_finite"]
    assert "Outputs are numbers under attack" in printed


def test_the_gallery_shows_such_outputs(networks: None, bench: Any) -> None:
    """Their picture has a class of its own, and no probability."""
    outputs = torch.tensor([[torch.nan, 1.0]])
    prediction = _prediction(outputs, 0, ("a", "b"))
    assert prediction == {"predicted": "NaN", "right": False}
    of(bench, "plain")
    path = Path("out/gallery/gallery.json")
    entries = json.loads(path.read_text(encoding="utf-8"))
    shown = [picture for entry in entries for picture in entry["pictures"] if "right" in picture]
    del shown[0]["confidence"]
    shown[0].update(prediction)
    path.write_text(json.dumps(entries), encoding="utf-8")
    assert bench("report", "out")[0] == 0
    assert "✗ NaN <span" in Path("out/report.html").read_text(encoding="utf-8")


def test_forty_thousand_classes(networks: None, bench: Any, tmp_path: Path) -> None:
    labels = np.array([39_999, 0, 32_767, 32_768, 12, 35_001])
    x = np.zeros((6, 40_000), np.uint8)
    x[np.arange(6), labels] = 255
    np.savez(tmp_path / "many.npz", x_test=x.reshape(6, 1, 200, 200), y_test=labels)
    few = ["--attack", "fgsm:eps=0", "--threat", "oblivious", "--defence", "none"]
    where = [
        "--dataset",
        f"npz:{tmp_path / 'many.npz'}",
        "--network",
        "honest_nets:Brightest",
        "--samples",
        "all",
    ]
    ran(bench, *where, *few)
    (row,) = read_results(Path("out")).to_dict("records")
    assert (row["clean_correct"], row["correct"], row["n"]) == (6, 6, 6)
    types = {f.name: str(f.type) for f in pq.read_schema("out/predictions.parquet")}
    assert [types[name] for name in ("id", "label", "clean", "adversarial")] == [
        "int32",
        *["int32"] * 3,
    ]
    predictions = read_predictions(Path("out"))
    assert predictions is not None
    assert sorted(predictions.arrays["adversarial"].tolist()) == sorted(labels)
    # a second call reads what is stored
    assert "reused 1 of 1 cells" in ran(bench, *where, *few)


def test_few_classes_keep_narrow_files(networks: None, bench: Any) -> None:
    of(bench, "plain")
    types = {f.name: str(f.type) for f in pq.read_schema("out/predictions.parquet")}
    assert [types[name] for name in ("id", "label", "clean", "adversarial")] == [
        "int32",
        *["int16"] * 3,
    ]
