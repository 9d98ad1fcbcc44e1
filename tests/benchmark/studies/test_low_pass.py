"""The study of low-pass filters; gains of first layers that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sweep_sizes import ACCURACY, FIRST, TINY
from torch import nn

from benchmark.studies.cache import run_study
from benchmark.studies.low_pass import behind, compute, first_layer_response
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.errors import InputError
from estimators.networks.input_layers import behind_low_pass
from estimators.spec import Spec

STUDY = STUDIES["low-pass"]
FREQUENCIES = np.array([0.0, 0.05, 0.125, 0.25, 0.4])
SHAPE = (1, 64, 64)


def convolution(kernel: list[list[float]]) -> nn.Module:
    """A network that is one convolution without padding."""
    weight = torch.tensor(kernel)[None, None]
    layer = nn.Conv2d(1, 1, weight.shape[2:], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return nn.Sequential(layer, nn.Flatten())


def test_gain_of_the_identity() -> None:
    response, gain = first_layer_response(convolution([[1.0]]), SHAPE, FREQUENCIES)
    np.testing.assert_allclose(gain, 1, rtol=1e-5)
    # at 0 a grating is plain grey of some level: its norm is that of the image
    squares = 64 * 64 * np.mean((0.5 + 0.5 * np.sin(2 * np.pi * np.arange(8) / 8)) ** 2)
    assert response[0] == pytest.approx(np.sqrt(squares), rel=1e-5)


def test_gain_of_a_difference() -> None:
    _, gain = first_layer_response(convolution([[-1.0, 1.0]]), SHAPE, FREQUENCIES)
    # along one of the two directions 2 sin(pi f), along the other nothing; one column fewer
    expected = 2 * np.sin(np.pi * FREQUENCIES) / np.sqrt(2) * np.sqrt(63 / 64)
    np.testing.assert_allclose(gain, expected, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_gain_behind_a_filter(sigma: float) -> None:
    large = (1, 224, 224)
    network = behind_low_pass(convolution([[3.0]]), sigma, large)
    _, gain = first_layer_response(network, large, FREQUENCIES)
    expected = 3 * np.exp(-2 * (np.pi * sigma * FREQUENCIES) ** 2)
    # the mirrored border keeps a part of the waves
    np.testing.assert_allclose(gain, expected, atol=0.12)
    assert gain[0] == pytest.approx(3, rel=1e-4)


def test_network_without_convolution() -> None:
    with pytest.raises(InputError, match="no convolution"):
        first_layer_response(nn.Sequential(nn.Flatten()), SHAPE, FREQUENCIES)


def test_no_filter_is_the_plain_network() -> None:
    assert behind(Spec("cnn"), 0.0) == Spec("cnn")
    assert behind(Spec("cnn"), 1) == Spec.of("cnn", low_pass=1.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"seeds": 0}, "seeds: must be"), ({"epochs": 0}, "epochs: must be at least 1")],
)
def test_bad_questions(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute(make_request(STUDY, "digits", Spec("lenet"), params))


def test_bad_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "1")
    with pytest.raises(InputError, match="low_pass"):
        compute(make_request(STUDY, "digits", Spec("lenet"), {**TINY, "sigmas": (-1.0,)}))


@pytest.mark.usefixtures("shared_checkpoints")
def test_low_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "1")
    params = {**TINY, "seeds": 1, "sigmas": (2.0, 0.0), "epochs": 1}
    request = make_request(STUDY, "digits", Spec("lenet"), params)
    folder = run_study("low-pass", request, tmp_path / "out").folder
    accuracy = pd.read_csv(folder / "accuracy.csv", dtype={"norm": str})
    assert list(accuracy) == [*FIRST, "low_pass", *ACCURACY]
    clean = pd.read_csv(folder / "clean.csv")
    assert list(clean["low_pass"]) == [0.0, 2.0]
    transfer = pd.read_csv(folder / "transfer.csv")
    first = transfer.groupby("low_pass")["gain"]
    # a sigma of two pixels leaves nothing of a wave of half a cycle a pixel
    assert first.last()[2.0] < 0.01 * first.first()[2.0]
    assert first.last()[0.0] > 0.1 * first.first()[0.0]
    figures = sorted(path.name for path in folder.glob("*.png"))
    assert figures == [
        f"{name}-digits-lenet.png" for name in ("accuracy", "clean", "smallest", "transfer")
    ]
