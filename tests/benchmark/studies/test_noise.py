"""The noise study: the search for an image, and sizes on a network for which they are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from closed_form import SIDE, linear_case

from benchmark.attacks.fast_gradient import FastGradient, smallest_eps
from benchmark.studies.measures.subjects import class_named, predictions, wrapped
from benchmark.studies.noise import _common_pairs, _norms, compute
from benchmark.studies.registry import LENET, STUDIES
from benchmark.studies.request import make_request
from estimators.data.images import Images
from estimators.errors import InputError
from reports.plots.studies.noise import draw

PARAMS = {"samples": 8, "tries": 2, "resolution": 0.01, "tolerance": 1e-5}


def request(**params: object):
    return make_request(STUDIES["noise"], "digits", LENET, {**PARAMS, **params})


def test_sizes_on_a_linear_network() -> None:
    case = linear_case(20, seed=5, classes=2)
    images = Images(case.x, case.y, np.arange(20), ("a", "b"))
    rows = pd.DataFrame(_norms(request(eps_max=0.5, l2_max=4.0), case.classifier, images))
    assert rows["all_found"].all()
    other = np.arange(20), 1 - case.y
    l2 = {name: part["l2"].to_numpy() for name, part in rows.groupby("attack")}
    np.testing.assert_allclose(l2["fgsm"], case.linf[other] * SIDE, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(l2["fgm"], case.l2[other], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(l2["cw"], case.l2[other], rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("norm", ["inf", 2])
def test_smallest_eps_into_a_class(norm: float | str) -> None:
    # along a fixed direction each logit is a straight line: class t leads on one stretch
    case = linear_case(60, seed=1)
    direction, _ = FastGradient(case.classifier, norm).directions(case.x, case.y)
    weight = next(p for p in case.network.parameters() if p.ndim == 2).numpy(force=True)
    start = (case.x.reshape(60, -1) - 0.5) @ weight.T
    slope = direction.reshape(60, -1) @ weight.T
    # small enough that the box of pixels stays inactive
    top, target = (0.2 if norm == "inf" else 0.8), 2
    lead, gain = start[:, [target]] - start, slope[:, [target]] - slope
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -lead / gain
    others = np.arange(start.shape[1]) != target
    low = np.where(gain > 0, crossing, -np.inf)[:, others].max(1).clip(0)
    high = np.where(gain < 0, crossing, np.inf)[:, others].min(1)
    # clear cases only: a stretch shorter than a step of the scan may be passed over
    reached = (high - low > top / 50) & (low < 0.9 * top) & (case.y != target)
    never = ((high < low) | (low > 1.1 * top)) & (case.y != target)
    assert reached.sum() > 5 and never.sum() > 5
    found = smallest_eps(case.classifier, case.x, case.y, norm, top, 1e-5, 200, into=target)
    np.testing.assert_allclose(found[reached], low[reached], atol=2e-3 * top)
    assert np.isinf(found[never]).all()
    assert (found[(case.y == target)] == 0).all()


def test_pairs_that_all_three_make() -> None:
    rows = pd.DataFrame(
        [
            {"id": i, "class": source, "predicted": said, "all_found": found}
            for i, source, all_said, found in [
                (0, "a", "bbb", True),
                (1, "a", "bcb", True),
                (2, "c", "aaa", True),
                (3, "c", "aaa", True),
                (4, "d", "aaa", False),
            ]
            for said in all_said
        ]
    )
    assert _common_pairs(rows) == [("c", "a"), ("a", "b")]


@pytest.fixture(scope="module")
def findings():
    return compute(request())


def test_the_image_shown(findings, digits, digits_lenet, tmp_path) -> None:
    panels = findings.tables["panels"]
    assert list(panels["attack"]) == ["clean", "fgsm", "fgm", "cw"]
    assert panels["as_asked"].all()
    shown = np.stack([findings.arrays[f"digits.lenet.{name}"] for name in panels["attack"]])
    said = predictions(wrapped(digits_lenet, digits), shown)
    assert list(said) == [8, 3, 3, 3]
    image = digits.x[np.flatnonzero(digits.ids == panels["id"].iloc[0])[0]]
    np.testing.assert_array_equal(shown[0], image)
    change = np.abs(shown[1:] - shown[0]).reshape(3, -1)
    np.testing.assert_allclose(panels["linf"][1:], change.max(1), rtol=1e-5)
    for name, table in findings.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "arrays.npz", **findings.arrays)
    assert {path.name for path in draw(tmp_path)} == {"noise-digits-lenet.png", "norms.png"}


def test_norms_stand_by_image(findings) -> None:
    norms = findings.tables["norms"]
    every = norms[norms["all_found"]]
    assert (every.groupby("id")["attack"].nunique() == 3).all()
    assert every["found"].all() and (every["predicted"] != every["class"]).all()
    order = findings.tables["order"]
    assert set(order["n"]) == {every["id"].nunique()}
    # C&W looks for the nearest in L2, so it can hardly lose there
    last = order[(order["measure"] == "l2") & (order["larger"] == "fgsm")]
    assert (last["ratio"] > 1).all()


def test_the_nearest_pair_where_there_is_none(digits_lenet, monkeypatch) -> None:
    from benchmark.studies import noise

    first = noise.attacks_into
    wanted: list[tuple[int, int]] = []

    def without_the_first(request, images, classifier, source, target):
        wanted.append((source, target))
        return ([], {}) if len(wanted) == 1 else first(request, images, classifier, source, target)

    monkeypatch.setattr(noise, "attacks_into", without_the_first)
    panels = compute(request(source="1", target="7")).tables["panels"]
    assert wanted[0] == (1, 7) and not panels["as_asked"].any()
    assert (panels["predicted"][1:] == panels["target"].iloc[0]).all()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"source": "eight"}, "unknown class in the study parameter source 'eight'"),
        ({"target": "8"}, "the source class too"),
    ],
)
def test_bad_classes(params, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compute(request(samples=2, **params))


def test_a_class_by_name_or_number(digits) -> None:
    named = Images(digits.x, digits.y, digits.ids, ("cat", "dog", "1"))
    assert [class_named(named, text, "source") for text in ("dog", "0", "1")] == [1, 0, 2]
