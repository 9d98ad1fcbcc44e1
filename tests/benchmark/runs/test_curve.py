"""The curve of robust accuracy against passes: in the row, as a file, as a plot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.grids.model import Grid
from benchmark.runs.curve import curve
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from reports.results.passes import CURVES, curves
from reports.results.read_write import read_results


def test_an_image_counts_as_right_until_it_is_broken() -> None:
    right = np.array([True, False, False, False])
    gradients, forwards = np.array([10.0, 3, 0, 6]), np.array([4.0, 1, 1, 2])
    # passes: 24, 7, 1, 14
    counts = json.loads(curve(right, gradients, forwards))
    assert counts == {"1": 3, "2": 3, "5": 3, "10": 2, "20": 1, "24": 1}


def test_a_mean_is_no_curve() -> None:
    assert curve(np.array([True]), np.array([2.25]), np.array([0.0])) == ""
    # nor one that happens to be a whole number
    assert curve(np.array([True, False]), np.array([2.0, 2.0]), np.array([1.0, 1.0])) == ""
    # two images that stand do take as many, and so do all with a budget of one pass
    assert curve(np.array([True, True]), np.array([2.0, 2.0]), np.array([1.0, 1.0])) != ""
    assert curve(np.array([True, False]), np.array([0.0, 0.0]), np.array([1.0, 1.0])) == '{"1":1}'


def test_curves_of_a_table() -> None:
    cell = {"cell": "c", "dataset": "d", "network": "n", "attack": "a", "norm": "inf", "eps": 0.1}
    cell |= {"threat": "adaptive", "defence": "none", "quality": None, "n": 4}
    table = pd.DataFrame(
        [{**cell, "curve": text} for text in ("", '{"20":1,"3":2}', "[1]", "{", '{"1":9}')]
    )
    found = curves(table)
    assert found[["passes", "correct", "accuracy"]].to_numpy().tolist() == [
        [3, 2, 0.5],
        [20, 1, 0.25],
    ]


def test_a_run_has_the_curve_as_file_and_plot(tmp_path: Path) -> None:
    grid = Grid(
        name="curve",
        attacks=[{"name": "strongest", "eps": 0.1, "budget": 100}, {"name": "fgsm", "eps": 0.1}],
        defences=["none"],
        threats=["oblivious"],
        samples=20,
    )
    run(grid, RunOptions(out=tmp_path))
    table = read_results(tmp_path / "results.csv")
    searched, step = table.to_dict("records")
    assert step["curve"] == ""
    points = {int(p): c for p, c in json.loads(searched["curve"]).items()}
    assert points[max(points)] == searched["correct"] and max(points) <= 100
    assert sorted(points.values(), reverse=True) == [points[p] for p in sorted(points)]
    written = pd.read_csv(tmp_path / CURVES)
    assert written["correct"].tolist() == [points[p] for p in sorted(points)]
    assert (tmp_path / "plots" / "passes.png").is_file()
