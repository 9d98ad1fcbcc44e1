"""The hash of what a handed network holds in its attributes, in this process and in others."""

from __future__ import annotations

import copy
import enum
import functools
import io
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from estimators.networks.handed.state import state_sha256


class Config:
    """A plain object."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @functools.cached_property
    def twice(self) -> Any:
        return 2 * self.value

    def rolled(self, x: torch.Tensor) -> torch.Tensor:
        return x.roll(self.value, 1)


class Slotted:
    __slots__ = ("__hidden", "value")

    def __init__(self, value: Any) -> None:
        self.value = self.__hidden = value


class Refusing:
    """What has no state that can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Kind(enum.Enum):
    A = 1
    B = 2


class Net(nn.Module):
    """A network with one attribute."""

    def __init__(self, held: Any = None) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self._held = held

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x.flatten(1))
        return out


class Extra(Net):
    def get_extra_state(self) -> Any:
        return Config(len(self.layer.weight) + self.extra)

    def set_extra_state(self, state: Any) -> None:
        pass

    # of the class, so that only the extra state differs
    extra = 0


def linear(scale: float) -> nn.Module:
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.fill_(scale)
    return layer


def closure(thing: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.roll(thing.value, 1)


def default(value: int) -> Callable[..., int]:
    def function(x: int = value, *, y: int = value) -> int:
        return x + y

    return function


def cyclic(value: int) -> Config:
    thing = Config(value)
    thing.other = [thing, Config(value)]  # type: ignore[attr-defined]
    return thing


HELD: dict[str, Callable[[int], Any]] = {
    "number": lambda k: k,
    "object": Config,
    "object in an object": lambda k: Config({"a": [Config(k)]}),
    "slots": Slotted,
    "modules in a list": lambda k: [linear(0.5), linear(k)],
    "module in a dict in an object": lambda k: Config({"member": linear(k)}),
    "mode of a module in a list": lambda k: [linear(1).train(bool(k))],
    "attribute of a module in a list": lambda k: [Net(k)],
    "partial": lambda k: functools.partial(torch.roll, shifts=k, dims=1),
    "closure": lambda k: closure(Config(k)),
    "defaults": default,
    "method": lambda k: Config(k).rolled,
    "tensor in a set": lambda k: {(1, k)},
    "bfloat16": lambda k: torch.tensor(k, dtype=torch.bfloat16),
    "sparse": lambda k: torch.eye(2).mul(k + 1).to_sparse(),
    "dtype": lambda k: (torch.float32, torch.float64)[k],
    "array of objects": lambda k: np.array([Config(k), None]),
    "numpy number": lambda k: np.float32(k),
    "enum": lambda k: (Kind.A, Kind.B)[k],
    "path": lambda k: Path("a") / str(k),
    "decimal": lambda k: Decimal(k),
    "order of steps": lambda k: dict([("a", 1), ("b", 2)][:: 1 - 2 * k]),
    "builtin": lambda k: (torch.relu, torch.tanh)[k],
    "class": lambda k: (Config, Slotted)[k],
    "seed": lambda k: torch.Generator().manual_seed(k),
    "bytes": lambda k: io.BytesIO(bytes([k])),
    "cycle": cyclic,
}


def sha256(held: Any) -> str:
    return state_sha256(Net(held))


def made(make: Callable[[int], Any], value: int) -> str:
    torch.manual_seed(0)
    return sha256(make(value))


@pytest.mark.parametrize("name", HELD)
def test_what_an_attribute_holds_counts(name: str) -> None:
    make = HELD[name]
    assert made(make, 0) == made(make, 0)
    assert made(make, 0) != made(make, 1)


def test_the_extra_state_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_sha256(Extra())
    assert state_sha256(Extra()) == before
    monkeypatch.setattr(Extra, "extra", 1)
    assert state_sha256(Extra()) != before


def test_the_backward_pass_counts() -> None:
    network = Net()
    before = state_sha256(network)
    network.register_full_backward_hook(lambda module, into, out: None)
    assert state_sha256(network) != before


def test_buffers_that_are_not_saved_count() -> None:
    found = set()
    for value in (0.0, 1.0):
        network = Net()
        network.register_buffer("shift", torch.tensor(value), persistent=False)
        found.add(state_sha256(network))
    assert len(found) == 2


PROCESS: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "event": threading.Event,
    "file": lambda: open(os.devnull),  # noqa: SIM115
    "generator": lambda: (i for i in ()),
    "random numbers": np.random.default_rng,
    "refusing": Refusing,
    "object": object,
    "meta": lambda: torch.empty(2, device="meta"),
    "environment": lambda: os.environ,
}


@pytest.mark.parametrize("name", PROCESS)
def test_what_belongs_to_a_process_counts_by_its_type(name: str) -> None:
    one, other = PROCESS[name](), PROCESS[name]()
    assert sha256(Config([one, 1])) == sha256(Config([other, 1])) != sha256(Config([1, 1]))
    for thing in (one, other):
        if issubclass(type(thing), io.IOBase):
            thing.close()


def test_a_pass_that_changes_nothing_is_the_same_network() -> None:
    config, generator = Config(3), torch.Generator()
    network = nn.ModuleDict({"rnn": nn.LSTM(4, 3), "bn": nn.BatchNorm1d(4), "net": Net(config)})
    network["net"]._generator = generator  # type: ignore[assignment]
    before = state_sha256(network.eval())
    network["rnn"](network["bn"](torch.rand(5, 4)))
    assert config.twice == 6
    torch.rand(2, generator=generator)
    assert state_sha256(network) == before
    network["net"]._generator = torch.Generator()  # type: ignore[assignment]
    assert state_sha256(copy.deepcopy(network)) == before
    assert state_sha256(network.double()) == before
    # a network that goes to a worker
    assert state_sha256(pickle.loads(pickle.dumps(network))) == before


def test_long_chains_and_dense_graphs_end() -> None:
    chain: Any = None
    for _ in range(3000):
        chain = Config(chain)
    graph = [Config([]) for _ in range(150)]
    for node in graph:
        node.value += graph
    assert sha256(chain) == sha256(chain)
    assert len(sha256(graph)) == 64


SCRIPT = """
import functools, sys
import test_handed_content as t
class Main:
    def __init__(self, value): self.value = value
    def member(self, x): return x in {"a", "b", "c", "d"}
TABLE = {"shift": [int(sys.argv[1])]}
def shifted(x): return x.roll(TABLE["shift"][0], 1)
print(*(t.made(make, 0) for make in t.HELD.values()))
things = [make() for make in t.PROCESS.values()]
things += [{"a", "b", "c", "d"}, Main({"x", "y", "z"}), Main(1).member, shifted]
things += [lambda x: x in {"a", "b", "c", "d"}, t.Config(t.copy)]
print(*(t.sha256(t.Config(thing)) for thing in things))
print(t.sha256(shifted))
"""


def test_another_process_finds_the_same_hash() -> None:
    def run(seed: str, shift: str) -> list[str]:
        folders = [str(Path(__file__).parent), *sys.path]
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(folders)}
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, shift]
        return subprocess.run(
            command, env=env, check=True, capture_output=True, text=True
        ).stdout.splitlines()

    first = run("1", "0")
    assert run("2", "0") == first
    # a value of the script that a function in it uses
    assert run("1", "1")[-1] != first[-1]
