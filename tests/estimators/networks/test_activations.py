"""The memory that a network keeps for its backward pass."""

from __future__ import annotations

import gc
import weakref

import torch
from torch import nn

from estimators.networks.activations import activation_bytes
from estimators.networks.build import build_network
from estimators.spec import Spec


class Raises(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("too large")


def test_of_known_layers() -> None:
    # a linear layer keeps its input, a ReLU its output; the weights are not counted
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 100), nn.ReLU(), nn.Linear(100, 5))
    network.requires_grad_(False)
    # the input of a frozen linear layer is not needed, the ReLU's output is
    assert activation_bytes(network, (3, 2, 2)) == 4 * 100
    network.requires_grad_(True)
    assert activation_bytes(network, (3, 2, 2)) == 4 * (12 + 100)


def test_grows_with_the_pixels() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    network.requires_grad_(False)
    small, large = (activation_bytes(network, (3, side, side)) for side in (16, 32))
    # the image and the maps
    assert small == 4 * (3 + 8) * 16 * 16
    assert large == 4 * small


def test_functions_count_as_well_as_layers() -> None:
    class Functional(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x.flatten(1).repeat(1, 10))

    assert activation_bytes(Functional(), (1, 4, 4)) >= 4 * 160


def test_a_network_that_raises_has_none() -> None:
    assert activation_bytes(Raises(), (1, 4, 4)) == 0.0


def test_nothing_of_the_network_changes() -> None:
    network = build_network(Spec("lenet"), (1, 28, 28), 10)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    activation_bytes(network, (1, 28, 28))
    assert all(torch.equal(tensor, before[n]) for n, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_nothing_of_the_pass_stays_in_memory() -> None:
    class Watched(nn.Module):
        result: weakref.ref[torch.Tensor]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # a sigmoid keeps its own result for the backward pass
            out = torch.sigmoid(x)
            self.result = weakref.ref(out)
            return out.flatten(1)

    network = Watched()
    assert activation_bytes(network, (1, 4, 4)) == 4 * 16
    gc.collect()
    assert network.result() is None


def test_a_forward_pass_may_take_gradients_of_its_own() -> None:
    class Guided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            (slope,) = torch.autograd.grad(torch.sigmoid(x).sum(), x, retain_graph=True)
            return (x + slope).flatten(1)

    assert activation_bytes(Guided(), (1, 4, 4)) > 0
