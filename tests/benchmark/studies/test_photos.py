"""JPEG's own transfer function, and the study that repeats the paper's at other sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.grids.model import load_grid
from benchmark.studies import paper, photos
from benchmark.studies.cache import run_study, study_key
from benchmark.studies.measures import spectra
from benchmark.studies.measures.gratings import compressed
from benchmark.studies.measures.jpeg_transfer import grating_gains, kept, noise_gains
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import StudyRequest, make_request
from estimators.spec import Spec
from reports.plots.studies import photos as plots

STUDY = STUDIES["photos"]
TINY = {
    "samples": 6, "cw_samples": 2, "cw_steps": (1, 3), "controls": 2, "examples": 1,
    "resolution": 0.1, "sizes": (16, 28), "frequencies": 5, "qualities": (75, 10),
    "qualities_other_sizes": (75, 10), "contrasts": (1.0, 0.0625),
}  # fmt: skip
LENET = Spec("lenet")


def test_full_quality_lets_every_grating_through() -> None:
    frequency, gain = grating_gains(32, 1.0, 100, 4)
    assert frequency[0] == 1 / 32 and frequency[-1] == 0.5
    np.testing.assert_allclose(gain, 1, atol=0.02)
    assert kept(gain, frequency)[0] == pytest.approx(0.5, abs=0.01)


def test_a_weak_grating_loses_its_high_frequencies() -> None:
    frequency, gain = grating_gains(32, 1 / 16, 10, 4)
    assert gain[frequency < 0.1].mean() > 0.7 and gain[frequency > 0.3].max() < 0.1
    cutoff, high = kept(gain, frequency)
    assert 0.1 < cutoff < 0.3 and high < 0.1


def test_the_cut_off_of_an_ideal_low_pass_is_its_own() -> None:
    frequency = np.arange(1, 101) / 200
    gain = (frequency <= 0.2).astype(float)
    cutoff, high = kept(np.stack([gain, np.ones(100)]), frequency)
    np.testing.assert_allclose(cutoff, [0.2, 0.5], atol=0.003)
    np.testing.assert_allclose(high, [0, 1])


def test_rings_without_noise_take_the_mean() -> None:
    frequency = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert kept(np.array([1, np.nan, 1, 1, 1.0]), frequency)[0] == pytest.approx(0.5)


def test_cross_power_is_the_part_in_phase() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(spectra.cross_power(x, x), spectra.power(x), atol=1e-9)
    np.testing.assert_allclose(spectra.cross_power(x, -0.5 * x), -0.5 * spectra.power(x))
    shifted = np.roll(x, 3, axis=3)
    assert abs(spectra.cross_power(x, shifted).sum()) < 0.3 * spectra.power(x).sum()


def test_noise_on_images_in_more_than_one_part() -> None:
    random = np.random.default_rng(0)
    clean = random.uniform(0.3, 0.7, (20, 1, 16, 16)).astype(np.float32)
    noise = (8 / 255 * np.sign(random.standard_normal(clean.shape))).astype(np.float32)
    frequency, gains = noise_gains(clean, noise, 50)
    assert gains.shape == (20, len(frequency)) and frequency.max() == 0.5
    alone = noise_gains(clean[17:18], noise[17:18], 50)[1]
    np.testing.assert_allclose(gains[17:18], alone)
    # the definition, by hand: whole spectra in one ring
    import torch

    x, n = torch.from_numpy(clean), torch.from_numpy(noise)
    out = (compressed(x + n, 50) - compressed(x, 50)).numpy()
    around = [a - a.mean(axis=(2, 3), keepdims=True) for a in (noise, out)]
    whole = spectra.cross_power(noise, out).sum(axis=(1, 2))
    np.testing.assert_allclose(whole, (around[0] * around[1]).sum(axis=(1, 2, 3)), rtol=1e-3)


@pytest.fixture
def request_of() -> Callable[..., StudyRequest]:
    """A request for the embedded digits, at a tiny size."""

    def make(**params: Any) -> StudyRequest:
        return make_request(STUDY, "digits", LENET, {**TINY, **params})

    return make


def test_the_study_is_whole_and_its_figures_are_drawn(
    request_of: Callable[..., StudyRequest], tmp_path: Path
) -> None:
    folder = run_study("photos", request_of(), tmp_path / "photos").folder
    for name in ("subjects", "gratings", "cutoffs", "noise", "gains", "summary"):
        assert len(pd.read_csv(folder / f"{name}.csv")), name
    for name in photos.PARTS:
        assert json.loads((folder / name / "study.json").read_text())["study"] == name
        assert list((folder / name).glob("*.csv")) and list((folder / name).glob("*.png")), name
    for name in ("gratings", "gains", "cutoffs", "smallest"):
        assert (folder / f"{name}.png").stat().st_size > 5000
    assert set(plots.PARTS) == set(photos.PARTS)
    noise = pd.read_csv(folder / "noise.csv")
    assert set(noise["noise"]) == {"fgsm", "noise"} and set(noise["quality"]) == {75, 10}
    mean = noise.groupby("quality")["cutoff"].mean()
    assert 0 < mean[10] < mean[75] < 0.55
    subjects = pd.read_csv(folder / "subjects.csv").iloc[0]
    assert subjects["n"] == 6 and subjects["accuracy_low"] < subjects["accuracy"]


def test_an_interrupted_study_continues_with_its_next_part(
    request_of: Callable[..., StudyRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of()
    done: list[tuple[str, bool]] = []
    real = photos.run_study

    def counted(name: str, *args: Any, **more: Any) -> Any:
        if name == "fourier" and len(done) < 3:
            raise KeyboardInterrupt
        finished = real(name, *args, **more)
        done.append((name, finished.reused))
        return finished

    monkeypatch.setattr(photos, "run_study", counted)
    with pytest.raises(KeyboardInterrupt):
        run_study("photos", request, tmp_path / "photos", figures=False)
    assert not (tmp_path / "photos").exists()
    done.append(("interrupted", True))
    run_study("photos", request, tmp_path / "photos", figures=False)
    assert done == [
        ("transfer-function", False), ("first-error", False), ("interrupted", True),
        ("transfer-function", True), ("first-error", True),
        ("fourier", False), ("saliency", False),
    ]  # fmt: skip


def test_given_weights_decide_the_key_of_a_study(tmp_path: Path, digits_lenet: Any) -> None:
    import torch

    file = tmp_path / "own.pt"
    keys = []
    for scale in (1.0, 1.1):
        state = {k: v * scale for k, v in digits_lenet.state_dict().items()}
        torch.save(state, file)
        request = make_request(STUDIES["data"], "digits", Spec.of("lenet", weights=str(file)))
        keys.append(study_key(STUDIES["data"], request))
    assert keys[0] != keys[1]


def test_a_network_of_a_family_can_be_studied(tmp_path: Path) -> None:
    network = Spec.of("torchvision:squeezenet1_1", weights="none")
    request = make_request(STUDIES["training"], "digits", network)
    assert study_key(STUDIES["training"], replace(request, params={}))


def test_the_grid_has_every_attack_threat_and_quality() -> None:
    cells = list(load_grid("photos").cells())
    on_photos = [c for c in cells if c.dataset == "photos"]
    kinds = {(c.attack.name, str(c.threat)) for c in on_photos}
    threats = ("oblivious", "adaptive", "adaptive-diff")
    assert kinds == {(a, t) for a in ("fgsm", "pgd", "cw") for t in threats}
    eps = {c.attack.get("eps") for c in on_photos if c.attack.name == "fgsm"}
    assert len(eps) == 5 and min(eps) >= 1 / 255 and max(eps) < 17 / 255  # type: ignore[type-var,operator]
    assert {c.defence.get("quality") for c in on_photos} >= {10, 25, 50, 75, 95}
    # curves with and without a defence are compared image by image
    for attack in ("fgsm", "pgd", "cw"):
        assert len({c.samples for c in on_photos if c.attack.name == attack}) == 1


def test_the_paper_has_no_photos_and_photos_no_paper() -> None:
    assert [name for name, study in STUDIES.items() if study.run == "photos"] == ["photos"]
    assert set(paper.QUICK_SAMPLES) == {study.run for study in STUDIES.values()}
