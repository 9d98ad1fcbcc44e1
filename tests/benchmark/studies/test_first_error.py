"""The smallest eps of the study on networks for which it is known, and on the embedded data."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from closed_form import SIDE, linear_case

from benchmark.studies.first_error import _paired, _rows, _survival, compute
from benchmark.studies.measures.smallest_eps import compared, sizes
from benchmark.studies.measures.subjects import predictions, wrapped
from benchmark.studies.registry import LENET, STUDIES
from benchmark.studies.request import make_request
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.errors import InputError
from reports.plots.studies.first_error import draw
from reports.statistics.intervals import held_out, wilson

PARAMS = {"samples": 20, "resolution": 0.01, "tolerance": 1e-5}


def request(**params: object):
    return make_request(STUDIES["first-error"], "digits", LENET, {**PARAMS, **params})


@pytest.fixture(scope="module")
def linear_rows() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    # two classes: both fast gradient directions are then the nearest ways out
    case = linear_case(40, seed=3, classes=2)
    images = Images(case.x, case.y, np.arange(40), ("a", "b"))
    found = _rows(request(eps_max=0.5, l2_max=4.0), case.classifier, images)
    other = 1 - case.y
    return pd.DataFrame(found), case.linf[np.arange(40), other], case.l2[np.arange(40), other]


@pytest.mark.parametrize("attack", ["fgsm", "fgm"])
def test_smallest_eps_of_a_linear_network(linear_rows, attack: str) -> None:
    rows, linf, l2 = linear_rows
    expected = linf if attack == "fgsm" else l2
    rows = rows[rows["attack"] == attack]
    assert not rows["censored"].any()
    np.testing.assert_allclose(rows["smallest_eps"], expected, atol=1e-4, rtol=1e-3)


def test_both_lengths_of_the_step(linear_rows) -> None:
    rows, linf, l2 = linear_rows
    fgsm, fgm = (rows[rows["attack"] == name] for name in ("fgsm", "fgm"))
    np.testing.assert_allclose(fgsm["l2"], linf * SIDE, atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(fgm["l2"], l2, atol=1e-4, rtol=1e-3)
    assert set(fgsm["becomes"]) == {"a", "b"}


def test_what_holds_out_is_censored() -> None:
    case = linear_case(20, seed=3, classes=2)
    images = Images(case.x, case.y, np.arange(20), ("a", "b"))
    smallest = np.sort(case.linf[np.arange(20), 1 - case.y])
    top = float(smallest[9] + smallest[10]) / 2
    rows = pd.DataFrame(_rows(request(eps_max=top), case.classifier, images))
    rows = rows[rows["attack"] == "fgsm"]
    assert rows["censored"].sum() == 10
    assert rows.loc[rows["censored"], ["smallest_eps", "becomes", "l2"]].isna().all(axis=None)
    points, line = _survival(rows)
    assert (line["n"], line["censored"], line["already_wrong"]) == (20, 10, 0)
    assert points[0]["share"] == pytest.approx(0.95)
    assert line["median"] == pytest.approx(smallest[9], rel=1e-3)
    assert line["median_high"] == math.inf


def test_survival_curve_with_a_censored_image() -> None:
    curve = held_out([1, 2, 2.5, 3], [False, False, True, False])
    assert list(curve.eps) == [1, 2, 2.5, 3]
    np.testing.assert_allclose(curve.share, [0.75, 0.5, 0.5, 0.0], atol=1e-12)
    assert not len(held_out([1, 1], [True, True]).eps)


def test_images_that_are_wrong_already_are_left_out() -> None:
    rows = pd.DataFrame(
        {
            "smallest_eps": [0.0, 0.1, 0.3, None],
            "eps_max": 1.0,
            "censored": [False, False, False, True],
        }
    )
    points, line = _survival(rows)
    assert (line["n"], line["already_wrong"], line["censored"]) == (3, 1, 1)
    assert [p["eps"] for p in points] == [0.1, 0.3, 1.0]
    assert line["median"] == 0.3


def test_paired_comparison_takes_what_both_break() -> None:
    rows = pd.DataFrame(
        [
            {"id": i, "attack": attack, "smallest_eps": eps, "l2": l2, "censored": censored}
            for i, attack, eps, l2, censored in [
                (0, "fgsm", 0.1, 3.0, False),
                (0, "fgm", 1.0, 1.0, False),
                (1, "fgsm", 0.1, 6.0, False),
                (1, "fgm", 2.0, 2.0, False),
                (2, "fgsm", 0.0, 0.0, False),
                (2, "fgm", 0.0, 0.0, False),
                (3, "fgsm", 0.2, 1.0, False),
                (3, "fgm", None, None, True),
            ]
        ]
    )
    eps, l2 = _paired(rows, seed=0)
    assert (eps["n"], eps["ratio"], eps["larger"]) == (2, 15.0, "fgm")
    assert (l2["n"], l2["ratio"], l2["ratio_low"], l2["larger"]) == (2, 3.0, 3.0, "fgsm")


def test_compared_sizes() -> None:
    smaller = np.array([1.0, 2.0, 4.0, 8.0])
    found = compared(smaller * np.array([3, 3, 3, 0.5]), smaller, seed=0)
    assert (found["n"], found["ratio"], found["share"]) == (4, 3.0, 0.75)
    assert (found["share_low"], found["share_high"]) == tuple(map(float, wilson(3, 4)))
    assert math.isnan(compared(np.empty(0), np.empty(0), seed=0)["ratio"])


def test_sizes_of_a_known_change() -> None:
    clean = np.full((1, 3, 2, 2), 0.5, dtype=np.float32)
    moved = clean.copy()
    moved[0, 1, 0, 0] += 0.25
    moved[0, 2, 1, 1] += 0.001
    found = {name: float(value[0]) for name, value in sizes(clean, moved).items()}
    assert found["l2"] == pytest.approx(math.hypot(0.25, 0.001), rel=1e-5)
    assert found["linf"] == 0.25
    assert found["l0_share"] == 0.25
    assert found["mean_abs"] == pytest.approx(0.251 / 12, rel=1e-5)
    assert found["psnr"] == pytest.approx(-10 * math.log10((0.0625 + 1e-6) / 12), rel=1e-5)


def test_on_the_embedded_data(tmp_path) -> None:
    findings = compute(request(image=3))
    images, panels = findings.tables["images"], findings.tables["panels"]
    assert len(images) == 40 and set(images["norm"]) == {"inf", "2"}
    asked_for = load_images("digits", "train")
    assert set(panels["id"]) == {asked_for.ids[3]}
    assert set(panels["class"]) == {asked_for.classes[asked_for.y[3]]}
    assert (panels["becomes"] != panels["class"]).all()
    for name, table in findings.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "arrays.npz", **findings.arrays)
    names = {path.name for path in draw(tmp_path)}
    assert names == {"panels-digits-lenet.png", "survival.png", "lengths.png"}


def test_a_wrong_image_is_shown_with_the_next_right_one(digits, digits_lenet) -> None:
    right = predictions(wrapped(digits_lenet, digits), digits.x) == digits.y
    wrong = int(np.flatnonzero(~right)[0])
    following = wrong + 1 + int(np.flatnonzero(right[wrong + 1 :])[0])
    panels = compute(request(samples=2, split="test", image=wrong)).tables["panels"]
    assert list(panels["choice"]) == ["asked"] * 2 + ["next right"] * 2
    assert list(panels["id"]) == [int(digits.ids[n]) for n in (wrong, wrong, following, following)]
    assert list(panels["smallest_eps"] == 0) == [True, True, False, False]
    assert (panels["becomes"][:2] == panels["predicted"][:2]).all()


@pytest.mark.parametrize(
    ("params", "said"), [({"image": 10**6}, "got 10000*0"), ({"split": "both"}, "train or test")]
)
def test_bad_image_or_split(params, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compute(request(samples=2, **params))
