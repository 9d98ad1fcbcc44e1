"""Networks that are handed over: their copies, their hashes, code that stands in no file."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from estimators.errors import InputError
from estimators.networks.given import guarded_network
from estimators.networks.handed.network import HandedNetwork
from estimators.networks.handed.state import interactive_names, state_sha256
from estimators.spec import Spec

SHAPE, CLASSES = (1, 4, 4), 3


class Scaled(nn.Module):
    """A network with attributes that are no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
        self.factor: Any = 2.0
        self.table: Any = {"a": [1, 2, np.ones(2)]}
        self.constant = torch.ones(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) * self.factor
        return out


def changed(change: Callable[[Scaled], object]) -> nn.Module:
    torch.manual_seed(0)
    network = Scaled()
    change(network)
    return network


SAME: dict[str, Callable[[Scaled], object]] = {
    "nothing": lambda n: None,
    "mode": lambda n: n.train(False),
    "gradients": lambda n: setattr(n.layer[1].weight, "grad", torch.ones(CLASSES, 16)),
    "frozen": lambda n: n.requires_grad_(False),
}
OTHER: dict[str, Callable[[Scaled], object]] = {
    "a number": lambda n: setattr(n, "factor", 3.0),
    "an integer for a float": lambda n: setattr(n, "factor", 2),
    "an array within": lambda n: n.table.update(a=[1, 2, np.zeros(2)]),
    "a tensor": lambda n: setattr(n, "constant", torch.zeros(2)),
    "a function": lambda n: setattr(n, "after", lambda x: x + 1),
    "a hook": lambda n: n.register_forward_hook(lambda *_: None),
}


@pytest.mark.parametrize("change", SAME)
def test_the_hash_is_that_of_what_decides(change: str) -> None:
    assert state_sha256(changed(SAME[change])) == state_sha256(changed(SAME["nothing"]))


@pytest.mark.parametrize("change", OTHER)
def test_another_attribute_is_another_hash(change: str) -> None:
    assert state_sha256(changed(OTHER[change])) != state_sha256(changed(SAME["nothing"]))


SOURCE = """
import torch
from torch import nn
SCALE = {scale}
def helper(x):
    return x {operator} SCALE
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 3)
    def forward(self, x):
        return helper(self.layer(x.flatten(1)))
"""


def interactive(monkeypatch: pytest.MonkeyPatch, scale: str = "2", operator: str = "*") -> Any:
    """A network whose class was typed into an interactive session."""
    main = types.ModuleType("__main__")
    exec(compile(SOURCE.format(scale=scale, operator=operator), "<stdin>", "exec"), vars(main))
    monkeypatch.setitem(sys.modules, "__main__", main)
    torch.manual_seed(0)
    return main.Net()  # type: ignore[attr-defined]


def test_code_in_no_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def sha256(**changes: str) -> str:
        return state_sha256(interactive(monkeypatch, **changes))

    assert sha256() == sha256()
    assert len({sha256(), sha256(scale="3"), sha256(operator="+")}) == 3
    assert interactive_names(interactive(monkeypatch)) == ["Net"]
    assert interactive_names(nn.Linear(1, 1)) == []


def test_a_handed_network_is_a_copy_in_evaluation_mode() -> None:
    network = changed(lambda n: n.train().double())
    found = guarded_network(Spec("mine"), SHAPE, CLASSES, handed=HandedNetwork(network))
    assert network.training and network.layer[1].weight.dtype == torch.float64  # type: ignore[index,union-attr,attr-defined]
    assert not found.network.training
    own = {p.data_ptr() for p in network.parameters()}
    assert not own & {p.data_ptr() for p in found.network.parameters()}
    assert {p.dtype for p in found.network.parameters()} == {torch.float32}
    assert found.metadata["recipe"] == "handed over as an object, Scaled"
    assert found.path.name == "test_handed.py"


@pytest.mark.filterwarnings(
    "ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning"
)
def test_a_script_is_left_as_it_was() -> None:
    script = torch.jit.trace(
        nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES)), torch.rand(1, *SHAPE)
    )
    x = torch.rand(5, *SHAPE)
    before, needs = script(x), [p.requires_grad for p in script.parameters()]
    found = guarded_network(Spec("mine"), SHAPE, CLASSES, handed=HandedNetwork(script))
    assert torch.allclose(found.network(x), before)
    assert [p.requires_grad for p in script.parameters()] == needs


def test_a_pruned_network_is_taken() -> None:
    layer = prune.l1_unstructured(nn.Linear(16, CLASSES), "weight", amount=0.5)
    network = nn.Sequential(nn.Flatten(), layer)
    x = torch.rand(5, *SHAPE)
    found = guarded_network(Spec("mine"), SHAPE, CLASSES, handed=HandedNetwork(network))
    assert torch.allclose(found.network(x), network(x))


def test_mean_and_std_are_the_first_layer() -> None:
    network = changed(lambda n: None)
    handed = HandedNetwork(network, mean=(0.5,), std=0.25)
    x = torch.rand(5, *SHAPE)
    found = guarded_network(Spec("mine"), SHAPE, CLASSES, handed=handed)
    assert torch.allclose(found.network(x), network((x - 0.5) / 0.25), atol=1e-6)
    plain = guarded_network(Spec("mine"), SHAPE, CLASSES, handed=HandedNetwork(network))
    assert found.sha256 != plain.sha256
    assert "normalised (mean=[0.5], std=[0.25])" in found.metadata["recipe"]


def test_a_network_that_cannot_be_copied_is_one_line() -> None:
    network = changed(lambda n: setattr(n, "lock", (i for i in ())))
    with pytest.raises(InputError, match=r"network mine: cannot be copied .TypeError") as caught:
        HandedNetwork(network).found("mine", SHAPE)
    assert "\n" not in str(caught.value)
