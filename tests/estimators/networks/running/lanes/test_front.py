"""The first layers on vectors of images: the bits of torch's layers, forward and backward."""

from __future__ import annotations

import copy
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from estimators.classifier import Classifier
from estimators.networks.build import build_network
from estimators.networks.running.frozen import Frozen
from estimators.networks.running.lanes import kernels, sums
from estimators.networks.running.lanes.front import fronted
from estimators.networks.running.proofs import SWITCH
from estimators.spec import Spec
from tests.helpers.vectors import (
    COLOUR,
    GREY,
    Shape,
    assert_same_under_attack,
    fronts,
    gradient,
    images,
    needs_vectors,
    same_bits,
    sequence,
)


@needs_vectors
@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 125])
@pytest.mark.parametrize("shape", [GREY, COLOUR, (1, 12, 13), (3, 17, 14)])
def test_lenet_has_the_bits_of_torch(
    shape: Shape, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    made = build_network(Spec("lenet"), shape, 10).eval()
    fast = Classifier(made, shape, 10)
    monkeypatch.setenv(SWITCH, "1")
    plain = Classifier(made, shape, 10)
    if min(shape[1:]) >= 28:
        assert (fronts(fast.network), fronts(fast.scorer)) == (1, 1)
    assert fronts(plain.network) == 0
    assert_same_under_attack(fast, plain, images(count, shape), 0.2)


LAYERS: dict[str, Callable[[], list[nn.Module]]] = {
    "one layer, average": lambda: [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)],
    "one layer, maximum": lambda: [nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2, 2)],
    "no bias": lambda: [nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.ReLU(), nn.MaxPool2d(2)],
    "oblong": lambda: [nn.Conv2d(1, 6, (5, 7), padding=(2, 3)), nn.ReLU(), nn.AvgPool2d(2)],
    "three layers": lambda: [
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d((2, 2)),
        nn.Conv2d(6, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 4, padding=3), nn.ReLU(), nn.MaxPool2d(2),
    ],
}  # fmt: skip


@needs_vectors
@pytest.mark.parametrize("name", LAYERS)
def test_other_layers_have_the_bits_of_torch_or_stay(name: str) -> None:
    made = sequence(*LAYERS[name]())
    quick = fronted(made, GREY)
    x = images(20)
    with torch.no_grad():
        assert torch.equal(quick(x), made(x))
    assert torch.equal(gradient(quick, x), gradient(made, x))
    assert fronts(made) == 0
    if name != "three layers":
        assert fronts(quick) == 1


@needs_vectors
@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.MaxPool2d(2)])
def test_edges_ties_zeros_and_broken_pixels(pool: nn.Module) -> None:
    made = sequence(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), pool)
    quick = fronted(made, GREY)
    assert fronts(quick) == 1
    x = images(9)
    x[0], x[1] = 0, 1  # all pixels of a window are equal
    x[2] = (x[2] > 0.5).float()
    x[3, 0, 5, 7], x[4, 0, 0, 0], x[5, 0, 27, 27] = torch.nan, torch.inf, -torch.inf
    x[6] *= 1e-38  # products below the smallest normal number
    x[7] *= -1
    with torch.no_grad():
        assert same_bits(quick(x), made(x))
    assert same_bits(gradient(quick, x), gradient(made, x))


@needs_vectors
def test_any_layout_and_no_images() -> None:
    made = sequence(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), shape=COLOUR)
    quick = fronted(made, COLOUR)
    assert fronts(quick) == 1
    whole = images(8, COLOUR)
    with torch.no_grad():
        for x in (whole, whole.contiguous(), whole.flip(3), whole[::2], whole[:0]):
            assert torch.equal(quick(x), made(x.contiguous(memory_format=torch.channels_last)))
        # other sizes are torch's own
        other = quick[0](torch.rand(2, 3, 20, 20))
        assert other.shape == (2, 6 * 10 * 10)


@needs_vectors
def test_gradients_of_gradients_and_several_of_one_pass() -> None:
    made = sequence(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2))
    quick, x = fronted(made, GREY), images(3)
    assert fronts(quick) == 1
    found = []
    for network in (made, quick):
        leaf = x.clone().requires_grad_(True)
        out = network(leaf).softmax(1)
        rows = [torch.autograd.grad(out[:, n].sum(), leaf, retain_graph=True)[0] for n in (0, 3)]
        first = torch.autograd.grad((out**2).sum(), leaf, create_graph=True)[0]
        second = torch.autograd.grad(first.square().sum(), leaf)[0]
        many = torch.autograd.grad(
            network(leaf), leaf, torch.ones(2, 3, 10), is_grads_batched=True
        )[0]
        found.append([*rows, first.detach(), second, many])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert float(found[0][3].abs().max()) > 0


OTHERS: dict[str, Callable[[], list[nn.Module]]] = {
    "small kernel": lambda: [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)],
    "two strides": lambda: [nn.Conv2d(1, 6, 4, (2, 1), 1), nn.ReLU(), nn.AvgPool2d(2)],
    "stride beyond the kernel": lambda: [nn.Conv2d(1, 6, 4, 5, 3), nn.ReLU()],
    "pixels that no result reads": lambda: [nn.Conv2d(1, 6, 5, stride=2), nn.ReLU()],
    "dilation": lambda: [nn.Conv2d(1, 6, 4, dilation=2), nn.ReLU(), nn.AvgPool2d(2)],
    "channels": lambda: [nn.Conv2d(1, 7, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)],
    "padding of another kind": lambda: [
        nn.Conv2d(1, 6, 5, padding=2, padding_mode="reflect"), nn.ReLU(), nn.AvgPool2d(2)],
    "padding by name": lambda: [nn.Conv2d(1, 6, 5, padding="same"), nn.ReLU(), nn.AvgPool2d(2)],
    "another window": lambda: [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3)],
    "overlap": lambda: [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2, 1)],
    "rounded up": lambda: [nn.Conv2d(1, 6, 4), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)],
    "divisor": lambda: [
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(2, divisor_override=3),
    ],
    "another activation": lambda: [nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)],
    "later": lambda: [nn.Identity(), nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_stay(name: str) -> None:
    made = sequence(*OTHERS[name]())
    assert fronted(made, GREY) is made


def test_hooks_weights_that_learn_and_weights_that_are_no_numbers_stay() -> None:
    for change in ("hook", "learns", "infinite"):
        conv = nn.Conv2d(1, 6, 5)
        made = sequence(conv, nn.ReLU(), nn.AvgPool2d(2))
        if change == "hook":
            conv.register_forward_hook(lambda *_: None)
        elif change == "learns":
            conv.requires_grad_(True)
        else:
            conv.weight[0, 0, 0, 0] = torch.inf
        assert fronted(made, GREY) is made, change


@needs_vectors
@pytest.mark.parametrize("gradients", (False, True))
def test_a_hook_of_a_replaced_layer_is_called(gradients: bool) -> None:
    frozen = Frozen.of(build_network(Spec("lenet"), GREY, 10).eval(), GREY).network
    assert fronts(frozen) == 1
    conv = [module for module in frozen.modules() if isinstance(module, nn.Conv2d)][-1]
    seen: list[torch.Size] = []
    with torch.set_grad_enabled(gradients):
        bare = frozen(images(2))
        hook = conv.register_forward_hook(lambda _module, _inputs, out: seen.append(out.shape))
        assert torch.equal(frozen(images(2)), bare)
    assert len(seen) == 1 and seen[0][:2] == (2, conv.out_channels)
    hook.remove()


@needs_vectors
def test_the_switch_leaves_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sequence(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2))
    assert fronts(fronted(made, GREY)) == 1
    monkeypatch.setenv(SWITCH, "1")
    assert fronted(made, GREY) is made


@needs_vectors
def test_another_order_of_the_sums_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sequence(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2))
    monkeypatch.setattr(
        "estimators.networks.running.lanes.layers._Trial.agrees", lambda self, layer: False
    )
    assert fronted(made, GREY) is made


@needs_vectors
def test_a_copy_and_a_pickle_work() -> None:
    frozen = Frozen.of(build_network(Spec("lenet"), GREY, 10).eval(), GREY)
    x = images(2)
    for same in (copy.deepcopy(frozen.network), pickle.loads(pickle.dumps(frozen.network))):
        assert fronts(same) == 1
        with torch.no_grad():
            assert torch.equal(same(x), frozen.network(x))


def test_the_kernels_are_compiled_again_when_their_inner_loops_change() -> None:
    digest = hashlib.sha256(Path(sums.__file__).read_bytes()).hexdigest()
    assert digest.startswith(kernels.SUMS), f'set SUMS = "{digest[:8]}" in {kernels.__file__}'
