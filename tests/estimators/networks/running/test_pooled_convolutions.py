"""Convolution, ReLU and average pooling as one layer predict with the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from estimators.classifier import Classifier
from estimators.networks.build import build_network
from estimators.networks.running import pooled_convolutions
from estimators.networks.running.pooled_convolutions import PooledConvolution, pooled
from estimators.networks.running.proofs import SWITCH
from estimators.spec import Spec

GREY = (1, 28, 28)


@pytest.fixture(autouse=True)
def without_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """LeNet has a faster way (`lanes.front`), which would come first."""
    monkeypatch.setattr(
        "estimators.networks.running.frozen.fronted", lambda network, shape: network
    )


def images(n: int, shape: tuple[int, int, int] = GREY) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def pooled_layers(module: nn.Module) -> int:
    return sum(isinstance(layer, PooledConvolution) for layer in module.modules())


def sequence(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(6)
    made = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10)).eval()
    made(images(1))
    return made.requires_grad_(False)


@pytest.mark.parametrize("chunk", [1, 7, 125])
@pytest.mark.parametrize("name", ["lenet", "cnn", "resnet"])
def test_predictions_have_the_same_bits(
    name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (3, 32, 32) if name == "cnn" else GREY
    torch.manual_seed(5)
    made = build_network(Spec(name), shape, 10).eval()
    fast = Classifier(made, shape, 10)
    monkeypatch.setenv(SWITCH, "1")
    plain = Classifier(made, shape, 10)
    assert pooled_layers(fast.scorer) == (name == "lenet") and not pooled_layers(plain.scorer)
    x, y = images(chunk, shape), torch.arange(chunk) % 10
    for part in (x, (x + 0.1 * plain.input_gradient(x, y).sign()).clamp(0, 1)):
        assert torch.equal(fast.logits(part), plain.logits(part))


def test_a_hook_of_the_convolution_is_called() -> None:
    made = sequence(nn.Conv2d(1, 7, 5), nn.ReLU(), nn.AvgPool2d(2))
    quick = pooled(made, GREY)
    assert pooled_layers(quick) == 1
    (conv,) = [module for module in quick.modules() if isinstance(module, nn.Conv2d)]
    seen: list[torch.Tensor] = []
    conv.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        quick(images(2))
    assert len(seen) == 1


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [0, (1, 2), 3])
def test_any_padding_with_and_without_bias(bias: bool, padding: int | tuple[int, int]) -> None:
    conv = nn.Conv2d(1, 7, 5, padding=padding, bias=bias)
    made = sequence(conv, nn.ReLU(), nn.AvgPool2d(2))
    quick = pooled(made, GREY)
    assert pooled_layers(quick) == 1 and pooled_layers(made) == 0
    with torch.no_grad():
        assert torch.equal(quick(images(7)), made(images(7)))


def test_broken_pixels_break_the_same_logits() -> None:
    made = sequence(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3))
    quick, x = pooled(made, GREY), images(3)
    x[1, 0, 3, 3] = torch.nan
    with torch.no_grad():
        right, found = made[:3](x), quick[:3](x)
    # a pixel that is only read with weight zero may add a NaN next to the others, in its image
    assert torch.equal(right[[0, 2]], found[[0, 2]])
    assert bool(found[right.isnan()].isnan().all())


def test_gradients_pass_through_the_three_layers() -> None:
    made = sequence(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2))
    leaf = images(2).requires_grad_(True)
    one, other = (torch.autograd.grad(n(leaf).sum(), leaf)[0] for n in (made, pooled(made, GREY)))
    assert torch.equal(one, other)


OTHERS = {
    "odd size": (nn.Conv2d(1, 4, 4), nn.ReLU(), nn.AvgPool2d(2)),
    "many channels": (nn.Conv2d(1, 16, 5), nn.ReLU(), nn.AvgPool2d(2)),
    "other activation": (nn.Conv2d(1, 4, 5), nn.Tanh(), nn.AvgPool2d(2)),
    "in place": (nn.Conv2d(1, 4, 5), nn.ReLU(inplace=True), nn.AvgPool2d(2)),
    "maximum": (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2)),
    "other window": (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(3)),
    "other stride": (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, 1)),
    "ceiling": (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True)),
    "divisor": (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, divisor_override=3)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_give_what_they_gave(name: str) -> None:
    made = sequence(*OTHERS[name])
    quick = pooled(made, GREY)
    assert name == "odd size" or quick is made
    with torch.no_grad():
        assert torch.equal(quick(images(3)), made(images(3)))


def test_a_layer_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sequence(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2))
    right = pooled_convolutions.shifted
    monkeypatch.setattr(pooled_convolutions, "shifted", lambda k, side: right(k, side) * 1.001)
    assert pooled(made, GREY) is made


def test_layers_that_a_network_calls_one_by_one_stay() -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = sequence(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layers(x)
            return out + self.layers[0](x).mean()

    made = Apart().eval().requires_grad_(False)
    assert pooled(made, GREY) is made


def test_a_hook_keeps_the_layers() -> None:
    made = sequence(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2))
    made[1].register_forward_hook(lambda m, i, o: None)
    assert pooled(made, GREY) is made
