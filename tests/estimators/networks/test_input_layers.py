"""The low-pass layer on closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.input_layers import LowPass, Normalise, behind_low_pass
from estimators.networks.layer_table import count_parameters
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file
from estimators.training.train_or_load import train_or_load

GREY = (1, 28, 28)


def transferred(sigma: float, frequency: float) -> float:
    """What a wave in the middle of a long strip is scaled by."""
    length = 512
    wave = torch.cos(2 * math.pi * frequency * (torch.arange(length) - length // 2))
    image = wave.expand(1, 1, 64, length)
    return float(LowPass(sigma)(image)[0, 0, 32, length // 2])


def aliased(sigma: float, frequency: float) -> float:
    """The transform of a Gaussian that is sampled at whole pixels (Poisson's summation)."""

    def total(f: float) -> float:
        return sum(math.exp(-2 * (math.pi * sigma * (f - k)) ** 2) for k in range(-4, 5))

    return total(frequency) / total(0)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.0, 3.5])
def test_kernel_sums_to_one_and_does_not_train(sigma: float) -> None:
    layer = LowPass(sigma)
    assert float(layer.kernel.sum()) == pytest.approx(1, abs=1e-6)
    assert list(layer.parameters()) == []
    flat = torch.full((1, 3, 32, 32), 0.7)
    torch.testing.assert_close(layer(flat), flat)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("frequency", [0.0, 0.05, 0.1, 0.25, 0.5])
def test_transfer_function(sigma: float, frequency: float) -> None:
    found = transferred(sigma, frequency)
    # the cut at 4 sigma leaves out less than 1e-4 of the kernel
    assert found == pytest.approx(aliased(sigma, frequency), abs=2e-4)
    if sigma >= 1:
        assert found == pytest.approx(math.exp(-2 * (math.pi * sigma * frequency) ** 2), abs=0.01)


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_equals_torchvision(sigma: float) -> None:
    images = torch.rand(3, 3, 20, 24)
    layer = LowPass(sigma)
    size = 2 * layer.radius + 1
    torch.testing.assert_close(layer(images), gaussian_blur(images, [size, size], [sigma, sigma]))


def test_no_filter_is_the_network_itself() -> None:
    network = build_network(Spec("lenet"), GREY, 10)
    assert behind_low_pass(network, 0, GREY) is network
    plain = build_network(Spec.of("lenet", low_pass=0), GREY, 10)
    assert list(plain.state_dict()) == list(network.state_dict())


def test_gradient_of_a_linear_network_is_its_filtered_weight() -> None:
    size, sigma = 24, 1.0
    linear = nn.Linear(size * size, 2)
    network = behind_low_pass(nn.Sequential(nn.Flatten(), linear), sigma, (1, size, size))
    image = torch.rand(1, 1, size, size, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(image)[0, 1], image)
    weight = linear.weight.detach()[1].reshape(1, 1, size, size)
    # away from the mirrored border, where the filter is its own transpose
    inner = slice(8, -8)
    expected = LowPass(sigma)(weight)[..., inner, inner]
    torch.testing.assert_close(gradient[..., inner, inner], expected)


def test_attacker_sees_through_the_filter() -> None:
    network = build_network(Spec.of("lenet", low_pass=2.0), GREY, 10)
    classifier = Classifier(network, GREY, 10)
    x, y = torch.rand(4, *GREY), torch.zeros(4, dtype=torch.int64)
    spectrum = torch.fft.fft2(classifier.input_gradient(x, y)).abs().square()
    plain = Classifier(build_network(Spec("lenet"), GREY, 10), GREY, 10)
    other = torch.fft.fft2(plain.input_gradient(x, y)).abs().square()

    def high(power: torch.Tensor) -> float:
        fast = torch.fft.fftfreq(28).abs()
        mask = torch.maximum(fast[:, None], fast[None, :]) > 0.25
        return float(power[..., mask].sum() / power.sum())

    assert high(spectrum) < 0.02 < 0.2 < high(other)


@pytest.mark.parametrize("name", ["lenet", "resnet", "cnn"])
def test_parameters_stay_as_they_were(name: str) -> None:
    plain = count_parameters(build_network(Spec(name), GREY, 10))
    filtered = count_parameters(build_network(Spec.of(name, low_pass=1.0), GREY, 10))
    # the kernel of 9 taps is fixed
    assert filtered == (plain[0], plain[1] + 9)


def test_is_trained_kept_and_found_again() -> None:
    spec = Spec.of("lenet", low_pass=1.0)
    first = train_or_load("digits", spec, 1, 0)
    again = train_or_load("digits", spec, 1, 0)
    assert (first.reused, again.reused) == (False, True)
    kernel = dict(again.network.named_buffers())["0.kernel"]
    np.testing.assert_array_equal(kernel.numpy(), LowPass(1.0).kernel.numpy())
    assert not list(load_checkpoint(shipped_file("digits", Spec("lenet"))).network.named_buffers())


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (-1.0, "low_pass must be a number in"),
        ("wide", "low_pass must be a number in"),
        (True, "low_pass must be a number in"),
        (math.nan, "low_pass must be a number in"),
        (math.inf, "got inf"),
        (7.0, "reach 28 pixels"),
    ],
)
def test_bad_widths(sigma: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_network(Spec("lenet", (("low_pass", sigma),)), GREY, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_has_the_same_bits_in_both_layouts(channels: int, count: int) -> None:
    mean, std = [0.4914, 0.4822, 0.4465][:channels], [0.247, 0.2435, 0.2616][:channels]
    layer = Normalise(mean, std)
    x = torch.rand(count, channels, 8, 6, generator=torch.Generator().manual_seed(0))
    expected = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    for images in (x, x.contiguous(memory_format=torch.channels_last)):
        leaf = images.clone(memory_format=torch.preserve_format).requires_grad_(True)
        out = layer(leaf)
        assert torch.equal(out, expected) and out.stride() == images.stride()
        (gradient,) = torch.autograd.grad(out.sum(), leaf)
        one_each = (1 / torch.tensor(std))[:, None, None].expand(x.shape)
        assert torch.equal(gradient, one_each)
    operations = [node.target for node in torch.fx.symbolic_trace(layer).graph.nodes]
    assert len(operations) == 6, operations  # the image, two buffers, two operations, the result
