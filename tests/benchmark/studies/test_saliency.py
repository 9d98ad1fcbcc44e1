"""Saliency of linear networks, where it is known, and the measures of maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from closed_form import SIDE, linear_case
from torch import nn

from benchmark.studies.cache import run_study
from benchmark.studies.measures import saliency_maps as maps
from benchmark.studies.measures import subjects
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec


class ThreeMaps(nn.Module):
    """Three fixed maps A_k of an image, S_c = sum_k v_ck mean(A_k).

    So Grad-CAM is ReLU(sum_k v_ck A_k / places), exactly.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1, bias=False)
        self.head = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1.0, 2.0]).reshape(3, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[1.0, 0.5, 0.25], [-1.0, 0.0, -1.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean(dim=(2, 3)))


def test_saliency_of_a_linear_network_is_its_weights() -> None:
    case = linear_case(7)
    weight = case.network[1].weight.detach().numpy().reshape(-1, SIDE, SIDE)
    found = maps.map_of("saliency", case.network, case.x, case.y)
    np.testing.assert_allclose(found, np.abs(weight[case.y]), rtol=1e-6)


def test_saliency_is_the_largest_over_the_channels() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4, 2))
    weight = network[1].weight.detach().numpy().reshape(2, 3, 2, 2)
    x = np.full((1, 3, 2, 2), 0.5, dtype=np.float32)
    found = maps.map_of("saliency", network, x, np.array([1]))
    np.testing.assert_allclose(found[0], np.abs(weight[1]).max(axis=0), rtol=1e-6)


def test_many_images_are_mapped_as_one_by_one(digits_lenet: nn.Module) -> None:
    x = np.random.default_rng(0).random((130, 1, 28, 28), dtype=np.float32)
    y = np.arange(130) % 10
    for method in maps.METHODS:
        whole = maps.map_of(method, digits_lenet, x, y)
        assert whole.shape == (130, 28, 28)
        alone = maps.map_of(method, digits_lenet, x[127:128], y[127:128])
        np.testing.assert_allclose(whole[127:128], alone, rtol=1e-3, atol=1e-5)


def test_gradcam_of_known_maps() -> None:
    x = np.random.default_rng(0).random((2, 1, 4, 4), dtype=np.float32)
    found = maps.map_of("gradcam", ThreeMaps().eval(), x, np.array([0, 1]))
    # class 0: 1 x 1 + 1/2 x -1 + 1/4 x 2 = 1 times the image over 16 places; class 1 is negative
    np.testing.assert_allclose(found[0], x[0, 0] / 16, rtol=1e-5)
    assert not found[1].any()


def test_gradcam_looks_at_the_last_convolution(digits_lenet: nn.Module) -> None:
    assert maps.last_convolution(digits_lenet).out_channels == 16
    with pytest.raises(InputError, match="no convolution"):
        maps.last_convolution(nn.Linear(2, 2))


def test_salient_pixels_are_a_tenth_whatever_the_ties() -> None:
    ramp = np.arange(100.0).reshape(1, 10, 10)
    chosen = maps.salient(ramp)
    assert chosen.sum() == 10
    assert chosen[0, 9].all()
    assert maps.salient(np.zeros((2, 10, 10))).sum() == 20
    assert maps.overlap(chosen, chosen)[0] == 1
    assert maps.overlap(chosen, maps.salient(-ramp))[0] == 0


def test_rank_correlation_knows_order_alone() -> None:
    rng = np.random.default_rng(0)
    a = rng.random((3, 6, 6))
    np.testing.assert_allclose(maps.rank_correlation(a, a**3), 1)
    np.testing.assert_allclose(maps.rank_correlation(a, -a), -1)
    # 1 - 6 sum d^2 / (n (n^2 - 1)) for the ranks 1234 and 2143
    four = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    assert maps.rank_correlation(four, np.array([[[2.0, 1.0], [4.0, 3.0]]]))[0] == pytest.approx(
        0.6
    )
    assert np.isnan(maps.rank_correlation(a[:1], np.ones((1, 6, 6))))[0]


def test_energy_share_of_known_noise() -> None:
    noise = np.zeros((2, 3, 4, 5), dtype=np.float32)
    noise[0, :, 0, 0], noise[0, 1, 3, 4] = 2.0, -2.0
    chosen = np.zeros((2, 4, 5), dtype=np.bool_)
    chosen[:, 0, 0] = True
    share = maps.energy_share(noise, chosen)
    assert share[0] == pytest.approx(0.75)
    assert np.isnan(share[1])


def test_shuffled_noise_falls_on_salient_pixels_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    noise = (rng.random((1, 1, 10, 10)) ** 8).astype(np.float32)
    chosen = maps.salient(rng.random((1, 10, 10)))
    shuffled = [
        maps.energy_share(rng.permutation(noise.ravel()).reshape(noise.shape), chosen)[0]
        for _ in range(3000)
    ]
    assert np.mean(shuffled) == pytest.approx(chosen.mean(), abs=0.01)


def test_others_are_drawn_by_image() -> None:
    ids, y = np.array([5, 9, 11, 20, 30]), np.array([0, 1, 0, 1, 2])
    drawn, same = maps.others(ids, y, 0, 3)
    assert [len(d) for d in drawn] == [3] * 5
    assert all(n not in d for n, d in enumerate(drawn))
    assert same.tolist() == [2, 3, 0, 1, -1]
    again, _ = maps.others(ids, y, 0, 3)
    other, _ = maps.others(ids, y, 1, 3)
    assert all((a == b).all() for a, b in zip(drawn, again, strict=True))
    assert any((a != b).any() for a, b in zip(drawn, other, strict=True))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = {"samples": 30, "cw_samples": 4, "controls": 5, "examples": 2, "eps_grey": 0.3}
    request = make_request(STUDIES["saliency"], "digits", Spec("lenet"), size)
    return run_study("saliency", request, tmp_path_factory.mktemp("study") / "out").folder


def test_tables_have_a_row_an_image_and_method(study: Path) -> None:
    movement, fallen = pd.read_csv(study / "movement.csv"), pd.read_csv(study / "overlap.csv")
    counts = movement.groupby(["attack", "method", "score"])["id"].nunique().unstack("attack")
    images = int(counts["fgsm"].iloc[0])
    assert (counts[["fgsm", "fgm", "noise"]] == images).all().all()
    assert (counts["cw"] == 4).all()
    assert set(fallen["attack"]) == {"fgsm", "fgm", "cw"}
    assert movement["overlap"].between(0, 1).all()
    assert movement["chance"].round(2).eq(0.1).all()
    # an image that still reads as its class has one map for both scores
    kept = movement[~movement["broken"]].pivot_table(
        index=["attack", "id", "method"], columns="score", values="overlap"
    )
    assert kept["true"].equals(kept["predicted"])


def test_gradient_noise_falls_where_the_image_is_salient(study: Path) -> None:
    fallen = pd.read_csv(study / "overlap.csv").query("method == 'saliency'")
    seen = fallen.groupby("attack")[["noise_on_salient", "other_image"]].mean()
    assert seen.loc["fgm", "noise_on_salient"] > seen.loc["fgm", "other_image"] + 0.05
    assert seen.loc["fgsm", "noise_on_salient"] < 0.2


def test_sheets_are_drawn(study: Path) -> None:
    assert {p.name for p in study.glob("*.png")} == {
        "attacks-digits-lenet.png",
        "images-digits-lenet.png",
        "moved-spearman.png",
        "moved-overlap.png",
        "noise-on-salient.png",
    }
    examples = pd.read_csv(study / "examples.csv", dtype=str)
    assert (examples["clean"] == examples["class"]).all()
    assert (examples["fgsm"] != examples["class"]).any()


@pytest.mark.parametrize("layers", (True, False))
def test_fused_networks_are_looked_into_by_their_own_layers(
    layers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (3, 40, 40)
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 38 * 38, 2))
    monkeypatch.setattr(subjects, "network_of", lambda *_: made.eval())
    x = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    images = Images(x, np.arange(2), np.arange(2), ("a", "b"))
    request = make_request(STUDIES["saliency"], dataset="digits", network=Spec("lenet"))
    found = subjects.classifier_of(request, "digits", Spec("lenet"), images, layers=layers)
    if not layers:
        with pytest.raises(InputError, match="no convolution"):
            maps.last_convolution(found.network)
        return
    seen = maps.map_of("gradcam", found.network, images.x, images.y)
    assert seen.shape == (2, 40, 40) and np.isfinite(seen).all()
