"""Training with the first layers on vectors of images: the same weights as with torch's layers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from estimators.data.images import Images
from estimators.networks.build import build_network
from estimators.networks.running.lanes import kernels, weight_gradients
from estimators.networks.running.lanes.training import TrainedFront, trained_on_lanes
from estimators.networks.running.proofs import SWITCH
from estimators.spec import Spec
from estimators.training.recipes import Recipe
from estimators.training.train import train
from tests.helpers.vectors import COLOUR, GREY, Shape, images, needs_vectors

ROOT = Path(__file__).parents[5]
pytestmark = needs_vectors


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lenet(shape: Shape = GREY, **params: object) -> nn.Module:
    torch.manual_seed(5)
    made = build_network(Spec.of("lenet", **params), shape, 10)
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def fronts(network: nn.Module) -> list[TrainedFront]:
    return [m for m in network.modules() if isinstance(m, TrainedFront)]


def gradients(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    loss = network(x).square().sum()
    return list(torch.autograd.grad(loss, list(network.parameters())))


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        (GREY, {}),
        (GREY, {"extra_layers": 2}),
        (GREY, {"low_pass": 1.0}),
        (COLOUR, {}),
        (COLOUR, {"mean": 0.4, "std": 0.3}),
    ],
)
def test_a_training_has_the_same_weights_to_the_last_bit(
    shape: Shape, params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (230, *shape), dtype=np.uint8)
    labels, ids = random.integers(0, 10, len(pixels)), np.arange(len(pixels))
    images = Images(pixels, labels, ids)
    build = partial(build_network, Spec.of("lenet", **params), shape, 10)
    assert fronts(trained_on_lanes(lenet(shape, **params), shape, [64]))

    def trained() -> tuple[nn.Module, pd.DataFrame]:
        # steps of 64 and 38 images
        recipe = Recipe(2, 64, flip=shape == COLOUR)
        network, history = train(build, images, images[:50], recipe, 3)
        return network, history.drop(columns="seconds")

    one, told = trained()
    monkeypatch.setenv(SWITCH, "1")
    other, also_told = trained()
    assert same(list(one.state_dict().values()), list(other.state_dict().values()))
    assert told.equals(also_told)
    assert not fronts(one)


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize("size", [1, 16, 17, 96])
def test_gradients_of_any_batch_are_torchs(shape: Shape, size: int) -> None:
    network = lenet(shape)
    quick, x = trained_on_lanes(network, shape, [2]), images(size, shape)
    assert fronts(quick)
    assert same(gradients(quick, x), gradients(network, x))
    assert all(a is b for a, b in zip(quick.parameters(), network.parameters(), strict=True))


def test_gradients_that_are_not_finite_are_torchs() -> None:
    network, x = lenet(), images(20)
    x[3, 0, 5, 5], x[7, 0, 0, 0], x[19] = float("inf"), float("nan"), 1e-42
    found, right = (gradients(n, x) for n in (trained_on_lanes(network, GREY, [2]), network))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_a_pass_keeps_its_weights_until_its_gradient() -> None:
    network, x = lenet(), images(4)
    quick = trained_on_lanes(network, GREY, [4])
    (conv,) = fronts(quick)[0].plain[:1]
    right = gradients(network, x)
    out = quick(x).square().sum()
    with torch.no_grad():
        conv.bias.data += 1
        assert not torch.equal(quick(x).square().sum(), out)
        conv.bias.data -= 1
    assert same(list(torch.autograd.grad(out, list(quick.parameters()))), right)


def test_torchs_own_layers_where_images_have_a_gradient_or_threads_are_several() -> None:
    network, x = lenet(), images(4)
    quick = trained_on_lanes(network, GREY, [4])
    leaf = x.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(quick(leaf).square().sum(), leaf)
    (right,) = torch.autograd.grad(network(leaf).square().sum(), leaf)
    assert torch.equal(found, right)
    assert quick(x).grad_fn is not None and "_Step" in _graph(quick(x))
    assert "_Step" not in _graph(quick(leaf))
    torch.set_num_threads(2)
    assert "_Step" not in _graph(quick(x))
    assert trained_on_lanes(network, GREY, [4]) is network


def _graph(out: torch.Tensor) -> str:
    """Return the names of the steps that a gradient takes back."""
    waiting, names = [out.grad_fn], []
    while waiting:
        node = waiting.pop()
        if node is not None:
            names.append(node.name())
            waiting += [following for following, _ in node.next_functions]
    return " ".join(names)


def test_what_keeps_torchs_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in (lenet(activation="tanh"), build_network(Spec("resnet"), GREY, 10)):
        assert trained_on_lanes(other, GREY, [2]) is other
    network = lenet()
    assert fronts(trained_on_lanes(network, GREY, [2]))
    with monkeypatch.context() as patch:
        patch.setenv(SWITCH, "1")
        assert trained_on_lanes(network, GREY, [2]) is network


@pytest.mark.parametrize("wrong", ["weight", "bias"])
def test_another_order_of_the_sums_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = weight_gradients.add_all

    def rounded(*arguments: object) -> None:
        right(*arguments)  # type: ignore[arg-type]
        target = arguments[-1]
        assert isinstance(target, np.ndarray)
        # of the first row: its first weight, and the bias in its last lane
        place = 0 if wrong == "weight" else 7
        target[place] = np.nextafter(target[place], np.float32(np.inf))

    monkeypatch.setattr("estimators.networks.running.lanes.training.add_all", rounded)
    network = lenet()
    assert trained_on_lanes(network, GREY, [4]) is network


def test_without_numba_torchs_layers_are_trained() -> None:
    code = """
import sys
sys.modules["numba"] = None
import torch
from estimators.networks.build import build_network
from estimators.networks.running.frozen import Frozen
from estimators.networks.running.lanes.training import trained_on_lanes
from estimators.spec import Spec
torch.set_num_threads(1)
network = build_network(Spec("lenet"), (1, 28, 28), 10)
assert trained_on_lanes(network, (1, 28, 28), [2]) is network
assert "Front" not in repr(Frozen.of(network, (1, 28, 28)).network)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_kernel_is_compiled_again_when_what_it_calls_changes() -> None:
    digest = hashlib.sha256(Path(kernels.__file__).read_bytes()).hexdigest()
    own = weight_gradients
    assert digest.startswith(own.KERNELS), f'set KERNELS = "{digest[:8]}" in {own.__file__}'
