"""Spectra of waves, white noise and known mixtures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.studies.cache import run_study
from benchmark.studies.fourier import compute
from benchmark.studies.measures import spectra
from benchmark.studies.measures.tables import means
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.spec import Spec

SIZE = 28


def wave(down: int, across: int, size: int = SIZE) -> np.ndarray:
    """One image [1, 1, size, size] of whole cycles around 1/2."""
    rows, columns = np.mgrid[:size, :size]
    turns = (down * rows + across * columns) / size
    return (0.5 + 0.25 * np.cos(2 * np.pi * turns + 0.3)).astype(np.float32)[None, None]


def white(count: int, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, channels, SIZE, SIZE)).astype(np.float32)


@pytest.mark.parametrize(("down", "across"), [(3, 0), (0, 5), (4, 9)])
def test_a_wave_has_its_energy_at_its_bin(down: int, across: int) -> None:
    power = spectra.power(wave(down, across))[0]
    middle = SIZE // 2
    for sign in (1, -1):
        at = power[middle + sign * down, middle + sign * across]
        assert at == pytest.approx(power.sum() / 2, rel=1e-5)
    # a quarter of a wave has the mean square 1/32 in each pixel
    assert power.sum() == pytest.approx(SIZE * SIZE / 32, rel=1e-5)
    found = spectra.frequencies(SIZE, SIZE)[middle + down, middle + across]
    assert found == pytest.approx(math.hypot(down, across) / SIZE)


@pytest.mark.parametrize(("cycles", "share"), [(6, 0.0), (7, 0.0), (8, 1.0)])
def test_half_nyquist_divides_low_from_high(cycles: int, share: float) -> None:
    energy, found = spectra.high_share(spectra.power(wave(cycles, 0)))
    assert found[0] == pytest.approx(share, abs=1e-6)
    assert energy[0] == pytest.approx(share * SIZE * SIZE / 32, abs=1e-4)


def test_energy_around_the_means_is_kept() -> None:
    x = white(3, channels=3) + np.float32(0.7)
    around = x - x.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(
        spectra.power(x).sum(axis=(1, 2)),
        (around.astype(float) ** 2).sum(axis=(1, 2, 3)),
        rtol=1e-5,
    )


def test_white_noise_has_the_share_of_the_bins() -> None:
    _, share = spectra.high_share(spectra.power(white(400)))
    expected = spectra.white_share(SIZE, SIZE)
    assert share.mean() == pytest.approx(expected, abs=0.003)
    # of the square of all frequencies less the disc below half Nyquist
    assert spectra.white_share(400, 400) == pytest.approx(1 - math.pi / 16, abs=1e-3)


def test_an_image_without_detail_has_no_share() -> None:
    flat = np.full((1, 1, SIZE, SIZE), 0.5, dtype=np.float32)
    assert np.isnan(spectra.high_share(spectra.power(flat))[1][0])


def test_window_takes_the_edge_of_a_ramp_away() -> None:
    ramp = np.linspace(0, 1, SIZE, dtype=np.float32)[None, None, :, None] + np.zeros(
        (1, 1, SIZE, SIZE), dtype=np.float32
    )
    _, plain = spectra.high_share(spectra.power(ramp))
    _, faded = spectra.high_share(spectra.power(spectra.windowed(ramp)))
    assert plain[0] > 0.05
    assert faded[0] < 0.005


def test_correlation_of_spectra() -> None:
    power = spectra.power(white(200))
    np.testing.assert_allclose(spectra.correlations(power, power), 1)
    # a constant factor only shifts logarithms
    np.testing.assert_allclose(spectra.correlations(power, 9 * power), 1)
    others = spectra.correlations(power[:100], power[100:])
    assert abs(others.mean()) < 0.02
    assert np.isnan(spectra.correlations(power[:1], np.zeros_like(power[:1])))[0]


def test_rings_keep_a_flat_spectrum_and_find_a_wave() -> None:
    rings, at = spectra.radial(np.ones((1, SIZE, SIZE)))
    np.testing.assert_allclose(rings, 1)
    assert at[0] == pytest.approx(1 / SIZE)
    assert at[-1] == pytest.approx(math.sqrt(0.5), abs=1 / SIZE)
    rings, at = spectra.radial(spectra.power(wave(5, 0)))
    assert at[rings[0].argmax()] == pytest.approx(5 / SIZE)


def test_means_carry_their_interval() -> None:
    table = pd.DataFrame({"a": ["x", "x", "x", "y"], "v": [1.0, 2.0, 3.0, np.nan]})
    found = means(table, ["a"], ["v"]).set_index("a")
    half = 4.302652729911275 / math.sqrt(3)  # Student's t with 2 degrees of freedom
    assert found.loc["x", ["mean", "low", "high"]].tolist() == pytest.approx(
        [2, 2 - half, 2 + half], rel=1e-5
    )
    assert found.loc["x", "n"] == 3
    assert found.loc["y", "n"] == 0


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    request = make_request(STUDIES["fourier"], "digits", Spec("lenet"), {"samples": 40})
    return dict(compute(request).tables)


def test_tables_have_a_row_an_image(tables: dict[str, pd.DataFrame]) -> None:
    for name, key, kinds in (
        ("energy", "what", 7),
        ("correlation", "pair", 4),
        ("visibility", "attack", 3),
    ):
        table = tables[name]
        assert len(table) == 40 * kinds
        assert not table.duplicated(["dataset", "network", "id", key]).any()
        assert table.notna().all().all()


def test_energy_is_that_of_the_image(tables: dict[str, pd.DataFrame]) -> None:
    test: Images = load_images("digits", "test")
    rows = tables["energy"].query("what == 'image'").set_index("id")
    position = {int(image): n for n, image in enumerate(test.ids)}
    x = test.x[[position[i] for i in rows.index]]
    around = x.astype(float) - x.mean(axis=(2, 3), keepdims=True, dtype=float)
    spectrum = np.abs(np.fft.fft2(around[:, 0], norm="ortho")) ** 2
    step = np.fft.fftfreq(SIZE)
    high = np.hypot(step[:, None], step[None, :]) > 0.25 + 1e-9
    share = spectrum[:, high].sum(axis=1) / spectrum.sum(axis=(1, 2))
    np.testing.assert_allclose(rows["high_share"], share, rtol=1e-4)


def test_random_noise_and_the_attacks_are_told_apart(tables: dict[str, pd.DataFrame]) -> None:
    share = tables["summary"].query("measure == 'high_share'").set_index("of")["mean"]
    assert share["image"] < share["noise_fgsm"] < share["noise_random"]
    pairs = tables["correlation"].groupby("pair")["correlation"].mean()
    assert pairs["fgsm~fgm"] > pairs["fgsm~random"]


def test_figures_are_drawn(tmp_path: Path) -> None:
    request = make_request(STUDIES["fourier"], "digits", Spec("lenet"), {"samples": 12})
    done = run_study("fourier", request, tmp_path / "study")
    pictures = {p.name for p in done.folder.glob("*.png")}
    assert pictures == {
        "noises-digits-lenet.png",
        "attacked-digits-lenet.png",
        "radial.png",
        "shares.png",
        "correlation.png",
    }


def test_noise_shows_as_energy_that_is_added(tables: dict[str, pd.DataFrame]) -> None:
    energy = tables["energy"].pivot_table(index="id", columns="what", values="high_energy")
    shown = tables["visibility"].pivot_table(index="id", columns="attack", values="high_energy")
    for what, attack in (("attacked_fgsm", "fgsm"), ("attacked_random", "noise")):
        expected = np.log10(energy[what] / energy["image"])
        np.testing.assert_allclose(shown[attack], expected, atol=1e-4)
    assert (shown["noise"] > 0).mean() > 0.9
