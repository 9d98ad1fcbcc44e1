"""What networks declare: normalisation and size of torchvision, timm, and of factories."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from estimators.data.geometry import Geometry
from estimators.data.photo import sized
from estimators.networks.declared import declared_by, family_geometry
from estimators.networks.external import declared_geometry
from estimators.networks.families import torchvision
from estimators.networks.given import given_network
from estimators.networks.input_layers import GreyToColour, Normalise, normalised
from estimators.spec import Spec, parse_spec

COLOUR = (3, 32, 32)
FACTORIES = """
    from torch import nn
    from estimators.data.geometry import Geometry

    CONFIG = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2), "input_size": (3, 240, 240),
              "crop_pct": 0.96, "interpolation": "bicubic"}

    def net():
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))

    def like_timm():
        network = net()
        network.pretrained_cfg = CONFIG
        return network

    def with_geometry():
        network = net()
        network.geometry = Geometry(256, 224, "bicubic")
        return network

    def with_fields():
        network = net()
        network.geometry = {"resize": 64, "crop": 32}
        return network

    def normalises_itself():
        network = net()
        network.mean, network.std = (0.5, 0.5, 0.5), (0.1, 0.1, 0.1)
        return network

    def of_data(shape, classes):
        raise RuntimeError("called for its geometry")
    of_data.geometry = Geometry(40, 36)

    def unknown(shape):
        raise RuntimeError("called for its geometry")
"""
GEOMETRIES = {
    "torchvision:resnet18": Geometry(256, 224, "bilinear"),
    "torchvision:inception_v3": Geometry(342, 299, "bilinear"),
    "torchvision:vit_b_16:weights=none": Geometry(256, 224, "bilinear"),
    "torchvision:efficientnet_b0": Geometry(256, 224, "bicubic"),
    "torchvision:nothing": None,
    "robustbench:Standard": None,
    "mine:like_timm": Geometry(250, 240, "bicubic"),
    "mine:like_timm:weights=w.pt,mean=0.5": Geometry(250, 240, "bicubic"),
    "mine:with_geometry": Geometry(256, 224, "bicubic"),
    "mine:with_fields": Geometry(64, 32, "bilinear"),
    "mine:of_data": Geometry(40, 36, "bilinear"),
    "mine:net": None,
    "mine:unknown": None,
    "lenet": None,
}


@pytest.mark.parametrize("text", GEOMETRIES)
def test_sizes(module, text: str) -> None:
    module("mine", FACTORIES)
    assert declared_geometry(parse_spec(text)) == GEOMETRIES[text]


def test_sizes_come_with_the_network(module) -> None:
    assert torchvision(
        "resnet18", Spec("torchvision:resnet18"), (3, 64, 64), 10, False
    ).geometry == Geometry(256, 224, "bilinear")


def test_a_factory_that_declares_a_normalisation_gets_it(module) -> None:
    module("mine", FACTORIES)
    given = given_network(Spec("mine:like_timm"), COLOUR, 10)
    assert isinstance(given.network[0], Normalise)
    assert given.network[0].mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert "normalised as it declares (mean=[0.5, 0.4, 0.3], std=[0.2" in given.metadata["recipe"]
    own = given_network(Spec.of("mine:like_timm", mean=0, std=1), COLOUR, 10)
    x = torch.rand(2, *COLOUR)
    assert torch.equal(own.network(x), given.network[1](x))
    assert "declares" not in own.metadata["recipe"]


def test_attributes_of_a_network_that_normalises_itself_are_left_alone(module) -> None:
    module("mine", FACTORIES)
    network = given_network(Spec("mine:normalises_itself"), COLOUR, 10).network
    assert not any(isinstance(m, Normalise) for m in network.modules())


def test_numbers_per_colour_stand_behind_the_copy_of_a_grey_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three means do not fit one channel; they belong to the three that it becomes."""
    from torchvision import models

    real = models.get_model
    monkeypatch.setattr(models, "get_model", lambda name, weights, **o: real(name, weights=None))
    network = given_network(Spec("torchvision:squeezenet1_1"), (1, 64, 64), 1000).network
    grey, (normalise, bare) = network[0], network[1]
    assert isinstance(grey, GreyToColour) and isinstance(normalise, Normalise)
    x = torch.rand(2, 1, 64, 64)
    three = (x.expand(-1, 3, -1, -1) - normalise.mean) / normalise.std
    assert torch.allclose(network(x), bare(three), atol=1e-5)


def stand_in(config: object) -> ModuleType:
    module = ModuleType("timm.models")
    module.get_pretrained_cfg = lambda name: config  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("dataclass", [False, True])
def test_timm_without_a_download(monkeypatch: pytest.MonkeyPatch, dataclass: bool) -> None:
    config = {"input_size": (3, 288, 288), "crop_pct": 0.95, "interpolation": "bilinear"}
    found = SimpleNamespace(**config, mean=(0.5,)) if dataclass else config
    monkeypatch.setitem(sys.modules, "timm", ModuleType("timm"))
    monkeypatch.setitem(sys.modules, "timm.models", stand_in(found))
    assert family_geometry("timm", "any") == Geometry(303, 288, "bilinear")


def test_timm_itself() -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    timm = importlib.import_module("timm")
    for name in ("resnet10t", "resnet18.a1_in1k"):
        config = timm.data.resolve_data_config({}, model=timm.create_model(name))
        found = family_geometry("timm", name)
        assert found is not None
        assert found.crop == config["input_size"][1]
        assert found.resize == int(config["input_size"][1] / config["crop_pct"])
        assert found.interpolation == config["interpolation"]


@pytest.mark.parametrize(
    "value", [None, {}, {"input_size": (3, 224)}, {"input_size": (3, 224, 300)}, "resnet", 3]
)
def test_what_declares_no_size(value: object) -> None:
    network = nn.Identity()
    network.pretrained_cfg = value  # type: ignore[assignment]
    assert declared_by(network).geometry is None
    # a part of that name is no size
    network.geometry = nn.Identity()
    assert declared_by(network).geometry is None


@pytest.mark.slow
def test_logits_of_timm_are_those_of_its_own_transform() -> None:
    """A photo brought to the declared size, in [0, 1], against `timm.data.create_transform`."""
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    photo = Image.fromarray(np.random.RandomState(0).randint(0, 256, (301, 267, 3), dtype=np.uint8))
    cases = {
        "resnet10t": {},
        "vit_tiny_patch16_224": {},
        "test_convnext": {"crop_mode": "squash", "interpolation": "bilinear", "crop_pct": 0.95},
        "test_resnet": {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7), "crop_pct": 1.0},
    }
    for name, changes in cases.items():
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=10, pretrained_cfg_overlay=changes).eval()
        config = timm.data.resolve_model_data_config(model)
        transform = timm.data.create_transform(**config, is_training=False)
        found = declared_by(model)
        assert found.geometry is not None
        ready = np.asarray(sized(photo, found.geometry)).transpose(2, 0, 1)
        network = normalised(model, found.mean, found.std, 3, name).eval()
        with torch.no_grad():
            wanted = model(transform(photo)[None])
            got = network(torch.from_numpy(ready[None].astype(np.float32) / 255))
        assert torch.allclose(got, wanted, atol=1e-5), name
    framed = {"input_size": (3, 32, 32), "crop_mode": "border"}
    assert declared_by(SimpleNamespace(pretrained_cfg=framed)).geometry is None
