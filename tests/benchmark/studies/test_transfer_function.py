"""Transfer functions on kernels whose transfer function is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from benchmark.studies.cache import run_study
from benchmark.studies.measures.gratings import (
    DIRECTIONS,
    compressed,
    cycles_up_to_nyquist,
    energy,
    first_convolution,
    frequency,
    gratings,
    response_norms,
)
from benchmark.studies.measures.transfer_curves import further_trainings
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from benchmark.studies.transfer_function import compute, flatness
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.recipes import recipe_for
from reports.plots.studies.transfer_function import draw

SIZE = 32
PHASES = 4
TINY = {
    "sizes": [16, 28],
    "frequencies": 5,
    "qualities": [1, 50],
    "qualities_other_sizes": [5],
    "contrasts": [1.0, 0.05],
    "seeds": 1,
}
# kernel [3, 3] and the square of its gain at angular frequencies (down, across)
KERNELS = {
    "identity": ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], lambda v, u: 1.0),
    "shift": ([[0, 0, 0], [0, 0, 1], [0, 0, 0]], lambda v, u: 1.0),
    "box": (
        [[1 / 9] * 3] * 3,
        lambda v, u: ((1 + 2 * math.cos(v)) * (1 + 2 * math.cos(u)) / 9) ** 2,
    ),
    "difference down": ([[0, -1, 0], [0, 1, 0], [0, 0, 0]], lambda v, u: 2 - 2 * math.cos(v)),
    "difference across": ([[0, 0, 0], [-1, 1, 0], [0, 0, 0]], lambda v, u: 2 - 2 * math.cos(u)),
}


def layer_of(kernel: list[list[float]], bias: float = 0.0, **options: str) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, 3, padding=1, **options)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(kernel, dtype=torch.float32)[None, None])
        layer.bias.fill_(bias)
    return layer


def root_mean_square(layer: nn.Conv2d, cycles: int, direction: str) -> tuple[float, float]:
    x = gratings(SIZE, cycles, direction, PHASES)
    norms = response_norms(layer, x, torch.full((1, 1, SIZE, SIZE), 0.5))
    whole, moving = np.sqrt((norms**2).mean(axis=1))
    return float(whole), float(moving)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_known_kernels_have_their_known_transfer_function(kernel: str, direction: str) -> None:
    weights, gain = KERNELS[kernel]
    layer = layer_of(weights, padding_mode="circular")
    down, across = DIRECTIONS[direction]
    for cycles in (0, 1, 5, 12, SIZE // 2):
        turn = 2 * math.pi * cycles / SIZE
        # the mean square of a full grating around grey is 1/8 in every pixel
        expected = SIZE * math.sqrt(gain(down * turn, across * turn) / 8)
        assert root_mean_square(layer, cycles, direction)[1] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("cycles", [0, 3, SIZE // 2])
def test_whole_response_is_grey_and_grating_at_right_angles(cycles: int) -> None:
    layer = layer_of(KERNELS["box"][0], bias=0.3)
    grey = torch.full((1, 1, SIZE, SIZE), 0.5)
    still = response_norms(layer, grey, grey)
    assert still[1] == 0
    whole, moving = root_mean_square(layer, cycles, "vertical")
    assert whole == pytest.approx(math.hypot(float(still[0, 0]), moving), rel=1e-5)


def test_many_images_are_answered_as_one_by_one() -> None:
    layer = layer_of(KERNELS["difference down"][0])
    x = torch.cat([gratings(256, k, "diagonal", PHASES) for k in (1, 60)])
    grey = torch.full((1, 1, 256, 256), 0.5)
    alone = np.concatenate([response_norms(layer, image[None], grey) for image in x], axis=1)
    np.testing.assert_allclose(response_norms(layer, x, grey), alone, rtol=1e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gratings_have_their_frequency_and_power(direction: str) -> None:
    down, across = DIRECTIONS[direction]
    x = gratings(SIZE, 5, direction, PHASES, contrast=0.5)
    spectrum = torch.fft.fft2(x - 0.5).abs().square().sum(dim=(0, 1))
    places = {(5 * down % SIZE, 5 * across % SIZE), (-5 * down % SIZE, -5 * across % SIZE)}
    assert {tuple(p) for p in (spectrum > 1).nonzero().tolist()} == places
    assert frequency(SIZE, 5, direction) == pytest.approx(5 / SIZE * math.hypot(down, across))
    torch.testing.assert_close((x - 0.5).square().mean(0), torch.full((1, SIZE, SIZE), 0.5**2 / 8))


def test_frequencies_reach_from_zero_to_nyquist() -> None:
    assert cycles_up_to_nyquist(28, 99) == list(range(15))
    assert cycles_up_to_nyquist(224, 3) == [0, 56, 112]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((16, 1, "up", 4), "direction"),
        ((16, 9, "vertical", 4), "cycles"),
        ((16, 1, "vertical", 2), "phases"),
    ],
)
def test_impossible_gratings_are_refused(arguments: tuple[int, int, str, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        gratings(*arguments)


def test_first_layer_is_a_copy_of_the_first_convolution(digits_lenet: nn.Module) -> None:
    layer = first_convolution(digits_lenet)
    torch.testing.assert_close(layer.weight, digits_lenet.layers[0].weight)
    assert layer.weight is not digits_lenet.layers[0].weight
    with pytest.raises(InputError, match="no convolution"):
        first_convolution(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))


def test_jpeg_destroys_a_faint_grating_and_keeps_a_full_one() -> None:
    full, faint = (gratings(28, 9, "vertical", PHASES, c) for c in (1.0, 0.02))
    left = [float((energy(compressed(x, 1)) / energy(x)).max()) for x in (full, faint)]
    assert left[0] > 0.8
    assert left[1] == 0
    assert float(energy(compressed(faint, 100)).min()) > 0


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ([9, 2, 2, 2, 2], (0, 1, 1, 0)),
        ([9, 4, 4, 2, 1], (0.4724, 4, 0.375, 0.75)),
        ([0, 1, 1, 3, 2], (0.4738, 3, 2.5, -1)),
    ],
    ids=["flat but for grey", "falls", "rises"],
)
def test_flatness_of_known_curves(response: list[float], expected: tuple[float, ...]) -> None:
    found = flatness(range(5), np.array(response, dtype=float))
    assert list(found) == ["coefficient_of_variation", "ratio", "high_low_ratio", "dip"]
    assert tuple(found.values()) == pytest.approx(expected, abs=1e-3)


def test_study_tells_each_curve_once(tmp_path: Path) -> None:
    request = make_request(STUDIES["transfer-function"], "digits", Spec("lenet"), TINY)
    done = run_study("transfer-function", request, tmp_path / "study")
    names = ["dataset", "network", "training_seed", "size", "direction", "quality"]
    tables = {p.stem: pd.read_csv(p) for p in done.folder.glob("*.csv")}
    assert not tables["response"].duplicated([*names, "cycles"]).any()
    assert not tables["flatness"].duplicated([*names, "measure"]).any()
    # 3 directions: two qualities and none at 28 pixels, one and none at 16
    assert len(tables["flatness"]) == 3 * (3 + 2) * 2
    assert len(tables["destroyed"]) == 3 * (2 + 1)
    bare = tables["response"][tables["response"]["quality"].isna()]
    square = bare["response_grey"] ** 2 + bare["response_ac"] ** 2
    np.testing.assert_allclose(bare["response"] ** 2, square, rtol=1e-4)
    faint = tables["survival"]
    assert faint.groupby("contrast")["share"].mean().is_monotonic_decreasing
    pictures = {p.name for p in draw(done.folder)}
    assert {"curves-digits.png", "jpeg-digits.png", "jpeg-digits.gif"} <= pictures
    with Image.open(done.folder / "jpeg-digits.gif") as film:
        assert film.n_frames == 3


def test_more_training_seeds_are_trained(
    monkeypatch: pytest.MonkeyPatch, digits_lenet: nn.Module
) -> None:
    asked_for = []

    class Doubled:
        network = first_convolution(digits_lenet)

    with torch.no_grad():
        Doubled.network.weight.mul_(2)
        Doubled.network.bias.mul_(2)

    def train_or_load(
        dataset: str, network: Spec, epochs: int, seed: int, *more: object, **named: object
    ) -> Doubled:
        asked_for.append((dataset, str(network), epochs, seed))
        return Doubled()

    monkeypatch.setattr("benchmark.studies.measures.training_sweep.train_or_load", train_or_load)
    size = {**TINY, "sizes": [28], "seeds": 2}
    request = make_request(STUDIES["transfer-function"], "digits", Spec("lenet"), size)
    table = compute(request).tables["response"]
    assert asked_for == [("digits", "lenet", recipe_for("digits", "lenet").epochs, 1)]
    one, two = (table[table["training_seed"] == s]["response"].to_numpy() for s in (0, 1))
    np.testing.assert_allclose(two, 2 * one, rtol=1e-4)


@pytest.mark.parametrize(
    ("dataset", "channels", "expected"),
    [
        ("mnist", 1, [("lenet", 1), ("lenet", 2), ("lenet", 3), ("resnet", 1)]),
        ("cifar10", 3, [("lenet", 1), ("lenet", 2), ("cnn", 1), ("cnn", 2)]),
    ],
)
def test_each_kind_of_network_has_its_number_of_seeds(
    dataset: str, channels: int, expected: list[tuple[str, int]]
) -> None:
    seeds = {"seeds": 4, "deep_seeds": 2, "seeds_colour": 3}
    request = make_request(STUDIES["transfer-function"], dataset, params=seeds)
    trainings = further_trainings(request, dataset, channels)
    assert [(str(t.network), t.seed) for t in trainings] == expected


@pytest.mark.slow
def test_more_training_seeds_do_not_depend_on_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, npz: Any
) -> None:
    size = {**TINY, "sizes": [16], "seeds": 3}
    request = make_request(STUDIES["transfer-function"], f"npz:{npz()}", Spec("lenet"), size)
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("BENCH_WORKERS", workers)
        monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / workers))
        found.append(compute(request).tables["response"])
    pd.testing.assert_frame_equal(*found)
    assert set(found[0]["training_seed"]) == {0, 1, 2}
