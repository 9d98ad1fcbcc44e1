"""Networks as steps: the same logits, adjoints that are transposes, refusals by one line."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.certificates.layers import adaptive_max_pool, max_pool, read_layer
from benchmark.certificates.reading import read_graph
from benchmark.certificates.steps import Affine, Positive, expanded, mean_over
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.input_layers import LowPass
from estimators.spec import parse_spec


def graph_of(network: nn.Module, shape: tuple[int, int, int] = (1, 8, 8), name: str = "tiny"):
    return read_graph(network.eval(), shape, torch.rand(2, *shape), name)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("lenet", (1, 28, 28)),
        ("lenet:extra_layers=2,dropout=0.5", (3, 16, 16)),
        ("lenet:low_pass=1.5,mean=0.1,std=0.3", (1, 16, 16)),
        ("cnn", (3, 16, 16)),
        ("resnet", (1, 28, 28)),
        ("torchvision:resnet18:weights=none", (1, 32, 32)),
        ("torchvision:vgg11_bn:weights=none", (3, 32, 32)),
    ],
    ids=lambda value: str(value),
)
def test_own_networks_and_plain_ones_of_torchvision_are_read(text: str, shape) -> None:
    network = build_network(parse_spec(text), shape, 10).eval()
    graph = graph_of(network, shape)
    x = torch.rand(3, *shape)
    with torch.no_grad():
        expected = network.double()(x.double()) if "low_pass" not in text else network(x).double()
    assert graph.to("cpu").forward(x.double()).allclose(expected, rtol=1e-4, atol=1e-5)


class Functions(nn.Module):
    """A network of functions and methods, with a branch and arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding="same"), nn.Linear(4, 3)
        self.register_buffer("mean", torch.rand(1, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 1 - (x - self.mean) / 0.3
        y = functional.relu(self.conv(x), inplace=True)
        y = y + functional.avg_pool2d(y, 3, stride=1, padding=1)
        y = functional.max_pool2d(y, 2)
        y = functional.dropout(y.expand(-1, 4, -1, -1), training=self.training)
        return functional.linear(y.mean((2, 3)), self.fc.weight, self.fc.bias)


def test_functions_are_read() -> None:
    network = Functions().eval()
    x = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        expected = network(x).double()
    assert graph_of(network).to("cpu").forward(x.double()).allclose(expected, atol=1e-5)


LAYERS = {
    "linear": (nn.Linear(6, 4), (6,)),
    "rows of a linear layer": (nn.Linear(3, 4), (2, 3)),
    "convolution": (nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 6, 7)),
    "dilated": (nn.Conv2d(2, 3, (2, 3), stride=(3, 2), dilation=2, bias=False), (2, 9, 8)),
    "same": (nn.Conv2d(1, 2, 3, padding="same"), (1, 4, 5)),
    "batch norm": (nn.BatchNorm2d(2), (2, 3, 3)),
    "average": (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 6, 6)),
    "adaptive": (nn.AdaptiveAvgPool2d((2, 3)), (2, 5, 7)),
    "flatten": (nn.Flatten(), (2, 3, 2)),
    "low pass": (LowPass(0.6), (2, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_steps_are_their_layers_and_adjoints_are_transposes(name: str) -> None:
    layer, shape = LAYERS[name]
    layer.eval()
    x = torch.rand(3, *shape, dtype=torch.float64)
    with torch.no_grad():
        expected = layer.float()(x.float()).double()
    out = x
    for step in read_layer(layer, shape):
        step = step.to("cpu")
        assert isinstance(step, Affine)
        check_adjoint(step, out)
        out = step.shifted(step.linear(out)).detach()
    assert out.allclose(expected, atol=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        Positive((1, 3, 3), None, partial(expanded, shape=(3, 3, 3)), moves=True),
        Positive((2, 3, 3), None, partial(mean_over, dims=(2, 3), keep=False)),
    ],
    ids=["copies", "mean"],
)
def test_maps_without_layers_have_their_transposes(step: Positive) -> None:
    check_adjoint(step, torch.rand(2, *step.shape, dtype=torch.float64))


def check_adjoint(step: Affine, x: torch.Tensor) -> None:
    """Compare linear, adjoint and spread with the matrix of the step."""
    size = x[0].numel()
    unit = torch.eye(size, dtype=torch.float64).view(size, *step.shape)
    matrix = step.linear(unit).detach().flatten(1)
    out = step.linear(x).detach()
    a = torch.randn(out.shape, dtype=torch.float64)
    assert out.flatten(1).allclose(x.flatten(1) @ matrix)
    assert step.adjoint(a).detach().flatten(1).allclose(a.flatten(1) @ matrix.T)
    assert step.spread(x).detach().flatten(1).allclose(x.flatten(1) @ matrix.abs())
    bias = step.shifted(torch.zeros_like(out))
    assert step.constant(a).allclose((a * bias).flatten(1).sum(1))


@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d((2, 3), (3, 1), (1, 1), dilation=(2, 1)),
        nn.MaxPool2d(2, 3, ceil_mode=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(2, 6, 6), (1, 7, 9)], ids=str)
def test_max_pooling_has_torchs_windows(layer: nn.MaxPool2d, shape) -> None:
    (step,) = max_pool(layer, shape)
    x = torch.randn(3, *shape, dtype=torch.float64)
    expected = layer(x)
    assert step.out_shape() == tuple(expected.shape[1:])
    assert step.windows(x).amax(2).view_as(expected).equal(expected)
    counted = step.gathered(step.windows(torch.ones_like(x), outside=0.0))
    weights = torch.randn(step.windows(x).shape, dtype=torch.float64)
    assert (step.gathered(weights) * x).sum().allclose((weights * step.windows(x, 0.0)).sum())
    assert counted.shape == x.shape


def test_adaptive_max_pooling() -> None:
    layer, x = nn.AdaptiveMaxPool2d((2, None)), torch.randn(2, 3, 6, 4)
    (step,) = adaptive_max_pool(layer, (3, 6, 4))
    assert step.windows(x).amax(2).view(2, 3, 2, 4).equal(layer(x))
    with pytest.raises(Exception, match="different sizes"):
        adaptive_max_pool(layer, (3, 5, 4))


class ByValue(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)


class Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * x).flatten(1)


class InPlace(nn.Module):
    """What it adds has been changed by then, which a trace does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x.flatten(1))
        return functional.relu(y, inplace=True) + y


class Mixed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) - x.mean()


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Sigmoid()), r"layer 2 \(Sigmoid\)"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding_mode="circular"), nn.Flatten()), "circular"),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), "no layer's logits"),
        (nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten()), "BatchNorm2d"),
        (ByValue(), "cannot be traced"),
        (Product(), r"\(mul\)"),
        (Mixed(), r"\(mean\)"),
        (InPlace(), "differ"),
    ],
    ids=["sigmoid", "border", "maps", "statistics", "value", "product", "images", "in place"],
)
def test_other_networks_are_refused_by_one_line(network: nn.Module, why: str) -> None:
    with pytest.raises(InputError, match=why) as error:
        graph_of(network, name="odd")
    text = str(error.value)
    assert text.startswith("certify: network odd: ") and "\n" not in text
