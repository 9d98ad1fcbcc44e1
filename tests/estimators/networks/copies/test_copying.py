"""Copies of networks share nothing with them, whatever their weights are made of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import odd_networks
import pytest
import torch
from odd_networks import SHAPE
from torch import nn

from estimators.errors import InputError
from estimators.networks.copies.copying import copied


class Keeps(nn.Module):
    """Keeps results with a history, also inside containers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.kept = {"all": [self.layer.weight * 2], "pair": (1, self.layer.bias + 1)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) @ self.kept["all"][0][:, :2]  # type: ignore[index]
        return out


@pytest.mark.parametrize(
    "make",
    [
        odd_networks.pruned,
        odd_networks.weight_norm,
        odd_networks.old_weight_norm,
        odd_networks.spectral_norm,
        odd_networks.plain,
    ],
)
@pytest.mark.parametrize("used", [False, True])
def test_copies_compute_the_same(make: Callable[[], nn.Module], used: bool) -> None:
    network, x = make(), torch.rand(4, *SHAPE)
    if used:  # a pass computes the weights anew, with a history
        network(x).sum().backward()
    expected = network(x).detach()
    twin = copied(network).requires_grad_(False)
    assert torch.equal(twin(x), expected)
    # weights of their own, which a change shows
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(network(x), expected)
    assert not torch.equal(twin(x), expected)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_results_in_containers() -> None:
    network, x = Keeps(), torch.rand(4, 3)
    twin = copied(network)
    assert torch.equal(twin(x), network(x))
    assert twin.kept["all"][0] is not network.kept["all"][0]


def test_what_cannot_be_copied_is_refused_in_one_line() -> None:
    network = nn.Linear(1, 1)
    network.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"network mine: cannot be copied .*cannot pickle"):
        copied(network, "mine")
