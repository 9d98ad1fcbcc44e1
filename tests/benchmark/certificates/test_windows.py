"""Networks cut to the windows of one place: the same values, and the same bounds."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from benchmark.certificates import windows as cutting
from benchmark.certificates.backward import Interval
from benchmark.certificates.certify import certify
from benchmark.certificates.graph import Graph
from benchmark.certificates.lookup import method_of
from benchmark.certificates.reading import read_graph
from benchmark.certificates.window import Window
from benchmark.certificates.windows import cut_network, windows_before
from estimators.networks.architectures import IdentityBlock
from estimators.spec import Spec

SIDE = 17


def blocks() -> nn.Sequential:
    """Strides, borders, pooling that overlaps, a branch: each in front of a convolution."""
    first = nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3), nn.ReLU()
    second = nn.MaxPool2d(3, 1, 1), IdentityBlock(3), nn.AvgPool2d(2, 1), nn.Conv2d(3, 2, 2)
    return nn.Sequential(*first, *second, nn.ReLU(), nn.Flatten(), nn.Linear(98, 3))


def plain() -> nn.Sequential:
    first = nn.Conv2d(1, 3, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)
    second = nn.Conv2d(3, 2, (2, 3), dilation=2, padding=(1, 0)), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*first, *second, nn.Linear(90, 3))


def graph_of(network: nn.Module) -> tuple[Graph, torch.Tensor]:
    torch.manual_seed(4)
    x = torch.rand(3, 1, SIDE, SIDE)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.data.normal_()
            module.running_mean.normal_()
    return read_graph(network.eval(), (1, SIDE, SIDE), x[:2], "blocks").to("cpu"), x


@pytest.mark.parametrize("make", [blocks, plain], ids=lambda make: make.__name__)
def test_a_cut_network_has_the_values_of_its_place(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LARGEST", 1.0)
    graph, x = graph_of(make())
    x = x.double()
    tried = 0
    for index in range(1, graph.last + 1):
        shape = graph.node(index).shape
        if len(shape) != 3:
            continue
        whole = Graph(graph.shape, graph.nodes[:index]).forward(x)
        for row, column in itertools.product(range(0, shape[1], 2), (0, 1, shape[2] - 1)):
            place = Window((row, row + 1), (column, column + 1))
            windows = windows_before(graph, index, place)
            assert windows is not None
            cut = cut_network(graph, index, windows, {}, Interval(x, x))
            assert torch.equal(cut.image.low, cut.image.high)
            assert cut.graph.forward(cut.image.low).allclose(place.taken(whole), atol=1e-12)
            tried += windows[0] != Window((0, SIDE), (0, SIDE))
    assert tried > 20


@pytest.mark.parametrize("make", [blocks, plain], ids=lambda make: make.__name__)
@pytest.mark.parametrize("method", ["crown", "alpha-crown"])
def test_windows_change_no_bound(make, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = graph_of(make())
    labels = graph.forward(x.double()).argmax(1).numpy()
    found = []
    for largest in (0.0, 0.6):
        monkeypatch.setattr(cutting, "LARGEST", largest)
        found.append(certify(graph, method_of(Spec(method)), x.numpy(), labels, 0.02))
    assert found[0].margin == pytest.approx(found[1].margin, rel=1e-6, abs=1e-9)
    assert (found[0].undecided == found[1].undecided).all()
    ibp = certify(graph, method_of(Spec("ibp")), x.numpy(), labels, 0.02)
    assert (ibp.margin < found[1].margin).all()
