"""Targeted C&W: distances on a network for which they are known, and the sheet."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from closed_form import linear_case

from benchmark.studies.measures.subjects import predictions, wrapped
from benchmark.studies.registry import LENET, STUDIES
from benchmark.studies.request import make_request
from benchmark.studies.targeted import _attacks, _pairs, _right_of_each, compute
from estimators.data.images import Images
from estimators.errors import InputError
from reports.plots.studies.targeted import draw
from reports.statistics.intervals import spread, wilson


def request(**params: object):
    return make_request(STUDIES["targeted"], "digits", LENET, params)


def test_distances_of_a_linear_network() -> None:
    case = linear_case(24, seed=2, classes=2)
    images = Images(case.x, case.y, np.arange(24), ("a", "b"))
    rows, sheet = _attacks(request(), case.classifier, images, "linear")
    table = pd.DataFrame(rows).set_index("id").sort_index()
    assert table["success"].all() and (table["predicted"] == table["target"]).all()
    expected = case.l2[np.arange(24), 1 - case.y]
    np.testing.assert_allclose(table["l2"], expected, rtol=5e-3, atol=1e-4)
    assert table["on_sheet"].sum() == 2 and sheet.shape == (2, 2, 1, 8, 8)


def test_a_pair_is_counted_with_its_limits() -> None:
    rows = pd.DataFrame(
        {
            "source": "a",
            "target": ["b", "b", "b", "c"],
            "success": [True, True, False, False],
            "l2": [1.0, 3.0, math.nan, math.nan],
        }
    )
    first, second = _pairs(rows, ("a", "b", "c"))
    assert (first["images"], first["success"], first["l2_mean"]) == (3, pytest.approx(2 / 3), 2.0)
    assert (first["success_low"], first["success_high"]) == wilson(2, 3)
    assert first["l2_low"] == spread([1.0, 3.0]).low
    assert (second["target"], second["success"]) == ("c", 0.0)
    assert math.isnan(second["l2_mean"])


def test_images_are_right_and_of_each_class(digits, digits_lenet) -> None:
    classifier = wrapped(digits_lenet, digits)
    chosen = _right_of_each(classifier, digits, 3, seed=0)
    assert list(digits.y[chosen]) == sorted([*range(10)] * 3)
    assert (predictions(classifier, digits.x[chosen]) == digits.y[chosen]).all()
    longer = _right_of_each(classifier, digits, 4, seed=0)
    assert set(chosen) < set(longer)


def test_on_the_embedded_data(digits, digits_lenet, tmp_path) -> None:
    # images of two classes alone: the others are no source, but a target
    few = digits[np.isin(digits.y, (3, 5))]
    findings = compute(replace(request(per_class=1), loader=lambda *args: few))
    attacks, pairs = findings.tables["attacks"], findings.tables["pairs"]
    assert len(attacks) == len(pairs) == 18 and attacks["on_sheet"].all()
    assert attacks["success"].all()
    sheet = findings.arrays["digits.lenet.sheet"]
    assert sheet.shape == (10, 10, 1, 28, 28)
    assert np.isnan(sheet[[c for c in range(10) if c not in (3, 5)]]).all()
    for source in (3, 5):
        said = predictions(wrapped(digits_lenet, digits), sheet[source])
        assert list(said) == list(range(10))
    far = np.linalg.norm((sheet[3, 5] - sheet[3, 3]).ravel())
    row = attacks[(attacks["source"] == "3") & (attacks["target"] == "5")]
    assert row["l2"].iloc[0] == pytest.approx(far, rel=1e-4)
    for name, table in findings.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "arrays.npz", **findings.arrays)
    names = {path.name for path in draw(tmp_path)}
    assert names == {"sheet-digits-lenet.png", "pairs-digits-lenet.png"}


def test_no_images_a_class() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        compute(request(per_class=0))
