"""Hooks and methods that reach outside a network: what copies share, and which copies are wrong."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import odd_networks
import pytest
import torch
from odd_networks import SHAPE
from torch import nn

from benchmark.execution import threads
from estimators.errors import InputError
from estimators.networks.copies.copying import copied
from estimators.networks.handed.network import HandedNetwork
from estimators.networks.running.guarded import guarded, is_alone

KEPT: dict[str, Any] = {}
CONSTANTS = {"factor": 2.0}


def keep(module: nn.Module, inputs: object, out: torch.Tensor) -> None:
    KEPT["out"] = out


class Reads(nn.Module):
    """Computes its logits from what `read` returns after a pass of the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = odd_networks.plain()
        self.kept: Any = torch.zeros(1, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.layers(x)
        return self.kept * CONSTANTS["factor"]


class ReadsGlobal(Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.layers(x)
        out: torch.Tensor = KEPT["out"]
        return out * 2


class WritesGlobal(Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        KEPT["out"] = self.layers(x)
        out: torch.Tensor = KEPT["out"]
        return out * 2


def by_global() -> nn.Module:
    network = ReadsGlobal()
    network.layers[-1].register_forward_hook(keep)
    return network.eval()


def by_self() -> nn.Module:
    network = Reads()
    network.layers[-1].register_forward_hook(lambda m, i, o: setattr(network, "kept", o))
    return network.eval()


def by_closure() -> nn.Module:
    kept: dict[str, torch.Tensor] = {}

    class Closed(Reads):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.layers(x)
            return kept["out"] * 2

    network = Closed()
    network.layers[-1].register_forward_hook(lambda m, i, o: kept.update(out=o))
    return network.eval()


def by_holder() -> nn.Module:
    """Its hook reaches the network through a list, which a copy does not follow."""
    network = Reads()
    holder = [network]
    network.layers[-1].register_forward_hook(lambda m, i, o: setattr(holder[0], "kept", o))
    return network.eval()


@pytest.mark.parametrize(
    ("make", "alone"),
    [
        (by_global, True),
        (by_closure, True),
        (lambda: WritesGlobal().eval(), True),
        (by_self, False),
        (odd_networks.old_weight_norm, False),
        (odd_networks.spectral_norm, False),
        (odd_networks.weight_norm, False),
    ],
)
def test_networks_whose_copies_share_state(make: Callable[[], nn.Module], alone: bool) -> None:
    guard = guarded(make(), SHAPE, "mine")
    assert is_alone(guard) is alone
    assert sum("share" in str(note) for note in getattr(guard, "notes", ())) == alone
    assert is_alone(copied(guard)) is alone


def test_a_hook_with_self_writes_into_the_copy() -> None:
    network, x, other = by_self(), torch.rand(2, *SHAPE), torch.rand(3, *SHAPE)
    expected = network(x)
    network(other)
    twin = copied(copied(network))
    before = network.kept
    assert torch.equal(twin(x), expected)
    assert network.kept is before


def test_a_copy_with_other_outputs_is_refused() -> None:
    network = by_holder().train()
    state, before = copy.deepcopy(network.state_dict()), network.kept
    with pytest.raises(InputError, match=r"mine: a copy .* the hook `by_holder.<lambda>` of layer"):
        HandedNetwork(network).found("mine", SHAPE)
    # it was run, and left as it was
    assert network.training and network.kept is before
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    HandedNetwork(by_self()).found("mine", SHAPE)


def test_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is held while a chunk of such a network is computed, and for no other."""
    held = []

    class Whole:
        def read(self) -> list[int]:
            return [0]

    class Cache(threads.ClassifierCache):
        def networks_of(self, task: Any) -> list[nn.Module]:
            return [task]

    def compute(*_: object) -> dict[Any, Any]:
        held.append(threads._ALONE.locked())
        return {}

    monkeypatch.setattr(threads, "_ALONE", threading.Lock())
    for make in (by_global, by_self):
        threads.timed_chunk(guarded(make(), SHAPE), Whole(), Cache({}), compute)  # type: ignore[arg-type]
    assert held == [True, False]
