"""Fused convolutions compute what the network computes, and stand only where that is known."""

from __future__ import annotations

import pickle

import odd_networks
import pytest
import torch
from odd_networks import FOLDABLE, UNFOLDABLE
from torch import Tensor, fx, nn
from torch.nn import functional

from estimators.classifier import Classifier
from estimators.networks.running import fused_convolutions, fusing, proofs
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.frozen import Frozen
from estimators.networks.running.fused_convolutions import FusedConvolution, can_fuse
from estimators.networks.running.fusing import fused
from estimators.networks.running.guarded import Guarded, guarded
from estimators.networks.running.steps import Steps

SHAPE = (3, 40, 40)
ALL = {**UNFOLDABLE, **FOLDABLE}
# whose convolutions have other borders than zeros; with a hook
ONLY_FOLDED = ("reflected borders", "hook on the root")

pytestmark = pytest.mark.skipif(not can_fuse(), reason="torch without oneDNN's fused convolutions")


class Same(nn.Conv2d):
    """A convolution with `same` padding, as TensorFlow has it: more zeros behind than before."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of the images with their border."""
        size, step = self.kernel_size[0], self.stride[0]
        before = (size - step) // 2
        border = (before, size - step - before) * 2
        return functional.conv2d(
            functional.pad(input, border), self.weight, self.bias, self.stride, 0, 1, self.groups
        )


class Residual(nn.Module):
    """Convolution, norm and activation, beside a shortcut."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.one, self.norm_one = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.two, self.norm_two = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16)
        self.three, self.norm_three = nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to x, and x."""
        out = self.activation(self.norm_one(self.one(x)))
        out = self.activation(self.norm_two(self.two(out)))
        out = self.norm_three(self.three(out))
        out += x
        return self.activation(out)


def network(activation: nn.Module, first: nn.Module, single: nn.Module) -> nn.Module:
    torch.manual_seed(2)
    made = nn.Sequential(
        first, nn.BatchNorm2d(8), activation, Residual(activation),
        single, nn.BatchNorm2d(8), activation, nn.Dropout(), Residual(activation),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            assert module.running_mean is not None
            module.running_mean.uniform_(-0.2, 0.2)
    return made.eval()


ACTIVATIONS = {
    "relu": nn.ReLU(inplace=True), "relu6": nn.ReLU6(), "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(), "limits": nn.Hardtanh(-0.3, 0.5), "gelu": nn.GELU(),
}  # fmt: skip
FIRST = {
    "symmetric": nn.Conv2d(3, 8, 7, 2, 3), "same": Same(3, 8, 3, 2), "stride 1": nn.Conv2d(3, 8, 3),
    "patches": nn.Conv2d(3, 8, 4, 4), "zeros": nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 8, 3)),
}  # fmt: skip
SINGLE = {
    "same": Same(8, 8, 5, 2, groups=8), "even": nn.Conv2d(8, 8, 3, 2, 1, groups=8),
    "dilated": nn.Conv2d(8, 8, 3, dilation=2, groups=8), "grouped": nn.Conv2d(8, 8, 3, groups=2),
}  # fmt: skip


def images(n: int, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def layers(made: nn.Module | None) -> list[FusedConvolution]:
    return [m for m in made.modules() if isinstance(m, FusedConvolution)] if made else []


def plain(made: nn.Module, shape: tuple[int, int, int] = SHAPE) -> Classifier:
    frozen = Frozen.of(made, shape, passes=CheaperPasses())
    return Classifier(frozen, shape, 10)


def check(made: nn.Module, quick: nn.Module, shape: tuple[int, int, int] = SHAPE) -> None:
    """Compare logits and gradients, clean and attacked, in batches of 1 and 3.

    A unit whose input is zero but for rounding may be on in one network and off in the other. It
    changes the gradient of what it sees: allowed in one image of the eight, as far as `fused` does.
    """
    right = plain(made, shape)
    own = Classifier(Frozen(quick, quick), shape, 10)
    apart = 0
    for x in images(4, shape).split([1, 3]):
        y = torch.arange(len(x))
        for _ in range(2):
            expected, out = right.logits(x), own.logits(x)
            assert float((out - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
            gradient = right.input_gradient(x, y)
            off = (own.input_gradient(x, y) - gradient).flatten(1).norm(dim=1)
            length = gradient.flatten(1).norm(dim=1)
            assert (off <= fusing.GRADIENTS * length).all()
            apart += int((off > 1e-3 * length).sum())
            x = (x + 0.1 * gradient.sign()).clamp(0, 1)
    assert apart <= 1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_shortcuts_are_fused(activation: str) -> None:
    made = network(ACTIVATIONS[activation], FIRST["symmetric"], SINGLE["even"])
    quick = fused(made, images(2))
    assert quick is not None and len(layers(quick)) == 8
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    names = {layer.fused.activation.name for layer in layers(quick)}
    expected = {"limits": "hardtanh", "relu6": "hardtanh", "silu": "swish", "gelu": "none"}
    assert names - {"none"} == {expected.get(activation, activation)} - {"none"}
    check(made, quick)


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("single", SINGLE)
def test_borders_and_groups_are_computed_rightly(first: str, single: str) -> None:
    made = network(ACTIVATIONS["relu6"], FIRST[first], SINGLE[single])
    quick = fused(made, images(2))
    assert quick is not None and len(layers(quick)) == 8
    check(made, quick)


@pytest.mark.parametrize("name", ALL)
def test_what_only_looks_like_a_pair_is_not_folded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusing, "SMALL_PIXELS", 0)
    made, shape = ALL[name](), odd_networks.SHAPE
    quick = fused(guarded(made, shape), images(2, shape))
    if quick is not None:
        check(made, quick, shape)
    assert quick is not None or name not in FOLDABLE or name in ONLY_FOLDED


@pytest.mark.parametrize("name", ["conv_hook", "remembers", "view_behind_conv"])
def test_hooks_state_and_own_layouts_are_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusing, "SMALL_PIXELS", 0)
    shape = odd_networks.SHAPE
    assert fused(guarded(getattr(odd_networks, name)(), shape), images(2, shape)) is None


def test_small_images_and_the_switch_keep_torchs_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(nn.ReLU(), nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    assert fused(made, images(2, (3, 32, 32))) is None
    assert fused(made, images(2)) is not None
    monkeypatch.setenv(proofs.SWITCH, "1")
    assert fused(made, images(2)) is None


def test_a_guard_stays_around_a_fused_network() -> None:
    made = guarded(network(nn.ReLU(), Same(3, 8, 3, 2), SINGLE["even"]), SHAPE)
    quick = fused(made, images(2))
    assert isinstance(made, Guarded) and isinstance(quick, Guarded) and layers(quick)
    assert not layers(made)


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(nn.ReLU(), nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    right = fused_convolutions.Fused.backward
    monkeypatch.setattr(
        fused_convolutions.Fused, "backward", lambda self, *a: right(self, *a) * 1.01
    )
    assert fused(made, images(2)) is None


def test_gradients_of_nan_are_torchs_own() -> None:
    """Zero weights of a block would spread a NaN to its neighbours."""
    made = network(nn.ReLU(), FIRST["symmetric"], SINGLE["even"])
    quick = fused(made, images(2))
    assert quick is not None and any(layer.fused.blocks for layer in layers(quick))
    found = []
    for each in (plain(made).network, quick):
        leaf = images(1).requires_grad_(True)
        out = each(leaf)
        found.append(torch.autograd.grad(out.sum() * torch.nan, leaf)[0])
    assert torch.equal(found[0].isnan(), found[1].isnan())


def test_gradients_of_gradients_are_those_of_torch() -> None:
    made = network(nn.ReLU6(), FIRST["same"], SINGLE["same"])
    quick = fused(made, images(2))
    assert quick is not None
    found = []
    for each in (plain(made).network, quick):
        leaf = images(2).requires_grad_(True)
        out = functional.cross_entropy(each(leaf), torch.tensor([1, 2]))
        (first,) = torch.autograd.grad(out, leaf, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), leaf)[0])
    assert float((found[0] - found[1]).norm()) <= 1e-3 * float(found[0].norm())


def test_a_worker_gets_the_fused_network_and_its_bits() -> None:
    """Without a trace, which patches the modules of all threads of the worker."""
    made = network(nn.ReLU(), FIRST["patches"], SINGLE["even"])
    passes = CheaperPasses.of(made, images(2))
    assert passes.fused is not None and passes.folds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fx.Tracer, "trace", None)
        there = pickle.loads(pickle.dumps((made, passes)))
        frozen = Frozen.of(there[0], SHAPE, passes=there[1])
    here = Frozen.of(made, SHAPE, passes=passes)
    x = images(3)
    assert torch.equal(frozen.scorer(x), here.scorer(x))
    pair = [Classifier(each, SHAPE, 5) for each in (frozen, here)]
    found = [each.input_gradient(x, torch.tensor([0, 1, 2])) for each in pair]
    assert torch.equal(*found)


def test_steps_compute_methods_functions_tensors_and_keywords() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Buffer(torch.tensor([2.0, 3.0, 4.0]).reshape(3, 1, 1))
            self.one = nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            """Return sums of two halves of the scaled images."""
            out = self.one(x * self.scale)
            parts = torch.chunk(out, chunks=2, dim=-1)
            return torch.cat([parts[0], parts[1].mul(2)], dim=1).flatten(1)[:, :7]

    odd = Odd().eval()
    steps = pickle.loads(pickle.dumps(Steps(fx.symbolic_trace(odd))))
    assert torch.equal(steps(images(2)), odd(images(2)))
