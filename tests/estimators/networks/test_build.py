"""Parameter counts are the paper's acceptance test (PAPER.md section 2, Figures 29 to 31)."""

from __future__ import annotations

import pytest
import torch

from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.layer_table import count_parameters, layer_table
from estimators.spec import Spec

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize(
    ("extra", "count"),
    [
        (0, 61_706),
        (2, 150_978),
        (4, 282_562),
        (6, 414_146),
        (10, 677_314),  # the report prints 743,106, the count for 11
        (11, 743_106),
        (20, 1_335_234),
    ],
)
def test_lenet_parameters(extra: int, count: int) -> None:
    network = build_network(Spec.of("lenet", extra_layers=extra), GREY, 10)
    assert count_parameters(network) == (count, 0)


def test_resnet_parameters() -> None:
    network = build_network(Spec("resnet"), GREY, 10)
    assert count_parameters(network) == (152_202, 640)
    rows = [(r["layer"], r["output_shape"], r["parameters"]) for r in layer_table(network, GREY)]
    assert rows == [
        ("Conv2d", (64, 28, 28), 3_200),
        ("BatchNorm2d", (64, 28, 28), 256),
        ("ReLU", (64, 28, 28), 0),
        ("MaxPool2d", (64, 9, 9), 0),
        ("IdentityBlock", (64, 9, 9), 74_368),
        ("IdentityBlock", (64, 9, 9), 74_368),
        ("AdaptiveAvgPool2d", (64, 1, 1), 0),
        ("Flatten", (64,), 0),
        ("Linear", (10,), 650),
    ]


def test_cnn_parameters() -> None:
    network = build_network(Spec("cnn"), COLOUR, 10)
    assert count_parameters(network) == (551_466, 896)
    shapes = [r["output_shape"] for r in layer_table(network, COLOUR) if r["layer"] == "MaxPool2d"]
    assert shapes == [(32, 16, 16), (64, 8, 8), (128, 4, 4)]


@pytest.mark.parametrize("name", ["lenet", "resnet", "cnn"])
@pytest.mark.parametrize("shape", [GREY, COLOUR, (1, 33, 47)])
def test_logits_of_any_input(name: str, shape: tuple[int, int, int]) -> None:
    logits = build_network(Spec(name), shape, 7)(torch.rand(2, *shape))
    assert logits.shape == (2, 7)
    # logits, not probabilities: no softmax at the end
    assert not torch.allclose(logits.sum(1), torch.ones(2))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Spec("lenett"), "did you mean 'lenet'"),
        (Spec.of("lenet", layers=3), "unknown parameter of the network lenet 'layers'"),
        (Spec.of("lenet", activation="swish"), "unknown activation"),
        (Spec.of("lenet", extra_layers=-1), "extra_layers must be an integer from 0 to 1000"),
        (Spec.of("lenet", dropout=1.0), "dropout"),
    ],
)
def test_bad_networks(spec: Spec, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_network(spec, GREY, 10)


def test_too_small_images() -> None:
    with pytest.raises(InputError, match="at least 12x12"):
        build_network(Spec("lenet"), (1, 8, 8), 10)
