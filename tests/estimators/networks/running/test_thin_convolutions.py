"""The faster gradient of grey images is torch's own but for rounding, and its outputs are equal."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from estimators.classifier import Classifier
from estimators.networks.build import build_network
from estimators.networks.running import proofs, thin_convolutions
from estimators.networks.running.frozen import Frozen
from estimators.networks.running.thin_convolutions import ThinConvolution, thinned
from estimators.spec import Spec

GREY = (1, 28, 28)


@pytest.fixture(autouse=True)
def without_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """LeNet has a faster way (`lanes.front`), which would come first."""
    monkeypatch.setattr(
        "estimators.networks.running.frozen.fronted", lambda network, shape: network
    )


def network(name: str, shape: tuple[int, int, int] = GREY) -> nn.Module:
    torch.manual_seed(5)
    return build_network(Spec(name), shape, 10).eval().requires_grad_(False)


def images(n: int, shape: tuple[int, int, int] = GREY) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def thin_layers(module: nn.Module) -> int:
    return sum(isinstance(layer, ThinConvolution) for layer in module.modules())


@pytest.mark.parametrize("chunk", [1, 7, 125])
@pytest.mark.parametrize("name", ["lenet", "resnet"])
def test_outputs_are_equal_and_gradients_close(
    name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network(name)
    fast = Classifier(made, GREY, 10)
    monkeypatch.setenv(proofs.SWITCH, "1")
    plain = Classifier(made, GREY, 10)
    assert (thin_layers(fast.network), thin_layers(plain.network)) == (1, 0)
    x = images(chunk)
    y = torch.arange(chunk) % 10
    for _ in range(2):
        one, other = fast.input_gradient(x, y), plain.input_gradient(x, y)
        assert float(one.abs().max()) > 0
        assert torch.allclose(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))
        assert torch.equal(fast.logits(x), plain.logits(x))
        with torch.no_grad():
            assert torch.equal(fast.network(x), plain.network(x))
        # the sign is FGSM's whole step: rounding turns none that counts
        turned = one.sign() != other.sign()
        assert float(other[turned].abs().sum()) <= 1e-5 * float(other.abs().max())
        x = (x + 0.1 * other.sign()).clamp(0, 1)


@pytest.mark.parametrize(("kernel", "padding"), [((4, 4), 0), ((5, 7), (2, 3)), ((7, 5), (6, 0))])
def test_the_gradient_of_a_layer_of_any_shape(
    kernel: tuple[int, int], padding: int | tuple[int, int]
) -> None:
    torch.manual_seed(2)
    conv = nn.Conv2d(1, 5, kernel, padding=padding).requires_grad_(False)
    thin = ThinConvolution(conv)
    leaf = torch.rand(3, 1, 24, 32).requires_grad_(True)
    out, same = conv(leaf), thin(leaf)
    assert type(same.grad_fn).__name__ == "_ThinBackward" and torch.equal(out, same)
    coming = torch.randn(out.shape)
    (right,), (found,) = (torch.autograd.grad(o, leaf, coming) for o in (out, same))
    assert torch.allclose(right, found, rtol=1e-4, atol=1e-5)


def test_nan_and_infinity_stay_where_torch_has_them() -> None:
    conv = nn.Conv2d(1, 4, 5, padding=2).requires_grad_(False)
    leaf = images(3).requires_grad_(True)
    for bad in (torch.nan, torch.inf):
        coming = torch.ones(3, 4, 28, 28)
        coming[1, 2, 9, 9] = bad
        right, found = (
            torch.autograd.grad(layer(leaf), leaf, coming)[0]
            for layer in (conv, ThinConvolution(conv))
        )
        assert torch.equal(right.isfinite(), found.isfinite())
        assert int((~right.isfinite()).sum()) == 25


def test_a_part_of_the_gradient_is_zero_where_torchs_is() -> None:
    conv = nn.Conv2d(1, 4, 5, padding=2).requires_grad_(False)
    leaf = images(2).requires_grad_(True)
    coming = torch.zeros(2, 4, 28, 28)
    coming[:, :, 10, 10] = 1
    right, found = (
        torch.autograd.grad(layer(leaf), leaf, coming)[0] for layer in (conv, ThinConvolution(conv))
    )
    assert torch.equal(right == 0, found == 0)


class _Own(nn.Conv2d):
    pass


def _sequence(first: nn.Module) -> nn.Module:
    made = nn.Sequential(first, nn.Flatten(), nn.LazyLinear(10)).eval()
    made(images(1))
    return made.requires_grad_(False)


PLAIN = {
    "stride": lambda: nn.Conv2d(1, 4, 5, stride=2),
    "dilation": lambda: nn.Conv2d(1, 4, 5, dilation=2),
    "padding by name": lambda: nn.Conv2d(1, 4, 5, padding="same"),
    "reflected": lambda: nn.Conv2d(1, 4, 5, padding=2, padding_mode="reflect"),
    "padding above the kernel": lambda: nn.Conv2d(1, 4, 5, padding=5),
    "small kernel": lambda: nn.Conv2d(1, 4, 3),
    "own class": lambda: _Own(1, 4, 5),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 5)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_other_layers_stay(name: str) -> None:
    made = _sequence(PLAIN[name]())
    assert thinned(made, GREY) is made


def test_a_hook_keeps_the_layer() -> None:
    made = _sequence(nn.Conv2d(1, 4, 5))
    assert thin_layers(thinned(made, GREY)) == 1
    made[0].register_forward_hook(lambda m, i, o: None)
    assert thinned(made, GREY) is made


def test_weights_that_learn_and_colour_stay() -> None:
    made = network("lenet").requires_grad_(True)
    assert thinned(made, GREY) is made
    for name in ("cnn", "resnet"):
        colour = network(name, (3, 32, 32))
        assert thinned(colour, (3, 32, 32)) is colour


def test_sizes_that_squares_do_not_fill_use_torchs_gradient() -> None:
    layer = ThinConvolution(nn.Conv2d(1, 4, 5).requires_grad_(False))
    out = layer(images(2, (1, 27, 28)).requires_grad_(True))
    assert type(out.grad_fn).__name__ == "ConvolutionBackward0"


def test_a_gradient_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network("lenet")
    right = thin_convolutions._squares
    monkeypatch.setattr(thin_convolutions, "_squares", lambda weight: right(weight) * 1.001)
    assert thinned(made, GREY) is made


def test_the_network_stays_as_it_was_and_weights_are_shared() -> None:
    made = network("lenet")
    thin = thinned(made, GREY)
    assert thin is not made and (thin_layers(thin), thin_layers(made)) == (1, 0)
    assert list(thin.state_dict()) == list(made.state_dict())
    for one, other in zip(thin.parameters(), made.parameters(), strict=True):
        assert one is other


def test_a_copy_and_a_pickle_work() -> None:
    frozen = Frozen.of(network("lenet"), GREY)
    x = images(2)
    for same in (copy.deepcopy(frozen.network), pickle.loads(pickle.dumps(frozen.network))):
        assert thin_layers(same) == 1
        assert torch.equal(same(x), frozen.network(x))
