"""The JPEG study: counts on made-up fates, files, and the story of a rescue."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.studies.jpeg import _fates, _shares, compute, file_size
from benchmark.studies.measures.subjects import predictions, wrapped
from benchmark.studies.measures.subjects import test_images as images_of
from benchmark.studies.registry import LENET, STUDIES
from benchmark.studies.request import make_request
from estimators.errors import InputError
from estimators.spec import Spec
from reports.plots.studies.jpeg import draw
from reports.statistics.intervals import paired_difference, wilson

PARAMS = {"samples": 40, "qualities": (75, 20, 5)}


def request(**params: object):
    return make_request(STUDIES["jpeg"], "digits", LENET, {**PARAMS, **params})


def fates() -> pd.DataFrame:
    """Six images: the last is wrong without anything and counts nowhere."""
    bare = [0, 0, 0, 1, 1, 0]
    columns = {
        ("jpeg", 10): {
            "clean": [1, 1, 0, 1, 0, 1],
            "oblivious": [1, 1, 0, 1, 0, 1],
            "adaptive": [1, 0, 0, 0, 0, 1],
        },
        ("quantize", None): {
            "clean": [1] * 6,
            "oblivious": [0, 1, 0, 1, 1, 0],
            "adaptive": [0] * 6,
        },
    }
    return pd.concat(
        pd.DataFrame(
            {
                "id": range(6),
                "defence": defence,
                "quality": quality,
                "bare_clean": [1] * 5 + [0],
                "bare": bare,
                **values,
            }
        )
        for (defence, quality), values in columns.items()
    )


@pytest.mark.parametrize(
    ("threat", "rescued", "lost", "over"), [("oblivious", 2, 1, 1), ("adaptive", 1, 2, 1)]
)
def test_counts_of_made_up_fates(threat: str, rescued: int, lost: int, over: int) -> None:
    row = next(r for r in _shares(fates()) if r["defence"] == "jpeg" and r["threat"] == threat)
    assert (row["n"], row["attacked_wrong"]) == (5, 3)
    assert row["rescued"] == pytest.approx(rescued / 5) and row["lost"] == pytest.approx(lost / 5)
    assert row["broken"] == pytest.approx(2 / 5)
    assert (row["rescued_low"], row["rescued_high"]) == wilson(rescued, 5)
    assert row["net"] == pytest.approx((rescued - lost) / 5)
    assert row["over_quantize"] == pytest.approx(over / 5)
    gain = paired_difference(2 - lost, lost, rescued, 3 - rescued)
    assert (row["net_low"], row["net_high"]) == (gain.low, gain.high)


def test_without_noise_both_attackers_show_the_defence_alone() -> None:
    question = request()
    images = images_of(question, "digits", 40)
    rows = pd.DataFrame(_fates(question, ("digits", LENET), images, 0.0, (5,)))
    assert len(rows) == 80
    for threat in ("oblivious", "adaptive"):
        assert (rows[threat] == rows["clean"]).all()
    assert (rows["bare"] == rows["bare_clean"]).all()
    assert all(row["rescued"] == 0 and row["lost"] == row["broken"] for row in _shares(rows))


def test_file_size_is_that_of_a_file_that_gives_the_codec_s_pixels() -> None:
    import torch

    from estimators.jpeg_codec.codec import round_trip

    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(out, format="JPEG", quality=30)
    assert file_size(pixels, 30) == len(out.getvalue())
    back = np.asarray(Image.open(out)).transpose(2, 0, 1)
    np.testing.assert_array_equal(round_trip(torch.from_numpy(pixels)[None], 30)[0], back)


@pytest.fixture(scope="module")
def findings():
    return compute(request(eps=(0.1,)))


def test_the_story(findings, digits, digits_lenet) -> None:
    story = findings.tables["story"]
    assert list(story["step"]) == ["clean", "attacked", "compressed"]
    first = story.iloc[0]
    shown = np.stack([findings.arrays[f"digits.lenet.{step}"] for step in story["step"]])
    bare = predictions(wrapped(digits_lenet, digits), shown)
    names = [digits.classes[c] for c in bare]
    # the compressed image is shown as the network gets it, so the bare network reads it alike
    assert names == list(story["predicted"]) == [first["class"], first["target"], first["class"]]
    assert np.abs(shown[1] - shown[0]).max() <= 0.1 + 1e-6
    behind = wrapped(digits_lenet, digits, Spec.of("jpeg", quality=int(first["quality"])))
    assert digits.classes[predictions(behind, shown[1:2])[0]] == first["class"]


def test_tables_and_figures(findings, tmp_path) -> None:
    compressed = findings.tables["compressed"]
    assert list(compressed["quality"]) == [75, 20, 5]
    assert compressed["psnr"].is_monotonic_decreasing
    assert compressed["bytes"].is_monotonic_decreasing
    rescued = findings.tables["rescued"]
    assert len(rescued) == 8
    assert (rescued["rescued"] * rescued["n"] <= rescued["attacked_wrong"] + 1e-9).all()
    fates = findings.tables["fates"]
    assert len(fates) == 4 * 40
    for name, table in findings.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "arrays.npz", **findings.arrays)
    assert {path.name for path in draw(tmp_path)} == {
        "qualities-digits.png",
        "story-digits-lenet.png",
        "rescued.png",
    }


def test_no_story_where_nothing_is_rescued(tmp_path) -> None:
    findings = compute(request(samples=10, eps=(0.0,), qualities=(75,)))
    assert findings.tables["story"].empty
    for name, table in findings.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "arrays.npz", **findings.arrays)
    assert {path.name for path in draw(tmp_path)} == {"qualities-digits.png", "rescued.png"}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"qualities": (0,)}, "quality must be an integer from 1 to 100"),
        ({"source": "x"}, "unknown class in the study parameter source"),
        ({"image": -1}, "got -1"),
    ],
)
def test_bad_parameters(params, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compute(request(samples=2, **params))
