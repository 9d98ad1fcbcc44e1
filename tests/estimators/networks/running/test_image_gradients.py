"""Gradients of images that keep less: the bits of torch's own, and a part of the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.image_gradients import frozen_weights, image_gradients

SIDE = 40
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def seeded(network: nn.Module) -> nn.Module:
    """Give a network in evaluation mode weights and statistics that are not their defaults."""
    generator = torch.Generator().manual_seed(1)
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point():
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return network.eval().requires_grad_(False)


def images(layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    x = torch.rand(2, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=layout)


def passed(network: Callable[[Tensor], Tensor], x: Tensor, sparing: bool) -> tuple[Tensor, Tensor]:
    """Return outputs and the gradient of the sum of their squares."""
    leaf = x.clone().requires_grad_()
    with image_gradients(leaf) if sparing else nullcontext():
        out = network(leaf)
    (gradient,) = torch.autograd.grad(out.square().sum(), leaf)
    return out.detach(), gradient


def kinds() -> Iterator[Any]:
    """Return convolutions and batch norms of all parameters."""
    for name, layer in {
        "plain": nn.Conv2d(4, 6, 3),
        "without bias": nn.Conv2d(4, 6, 3, bias=False),
        "pointwise": nn.Conv2d(4, 6, 1),
        "stride and padding": nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2)),
        "dilated": nn.Conv2d(4, 6, 3, dilation=2, padding=2),
        "groups": nn.Conv2d(4, 8, 3, groups=2),
        "depthwise": nn.Conv2d(4, 4, 3, groups=4, padding=1),
        "padding by name": nn.Conv2d(4, 6, 3, padding="same"),
        "reflected": nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        "batch norm": nn.BatchNorm2d(4),
        "batch norm without weights": nn.BatchNorm2d(4, affine=False),
        "batch norm without statistics": nn.BatchNorm2d(4, track_running_stats=False),
        "in a row": nn.Sequential(
            nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True),
            nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4), nn.SiLU(),
        ),
    }.items():  # fmt: skip
        yield pytest.param(layer, id=name)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["contiguous", "channels last"])
@pytest.mark.parametrize("layer", [*kinds()])
def test_outputs_and_gradients_have_the_bits_of_torch(
    layer: nn.Module, layout: torch.memory_format
) -> None:
    network = seeded(layer).to(memory_format=layout)  # type: ignore[call-overload]
    ours, torchs = (passed(network, images(layout), sparing) for sparing in (True, False))
    assert torch.equal(ours[0], torchs[0])
    assert torch.equal(ours[1], torchs[1])
    assert ours[1].abs().max() > 0


def test_only_the_outputs_of_activations_are_kept() -> None:
    layers = [
        layer
        for _ in range(4)
        for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    ]
    network = seeded(nn.Sequential(nn.Conv2d(4, 8, 1), *layers))
    weights = {tensor.data_ptr() for tensor in network.state_dict().values()}
    x = images().requires_grad_()

    def kept(sparing: bool) -> int:
        shapes = {}

        def keep(tensor: Tensor) -> Tensor:
            if tensor.ndim == 4 and tensor.data_ptr() not in weights:
                shapes[tensor.data_ptr()] = tensor
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, image_gradients(x) if sparing else nullcontext():
            out = network(x)
        assert out.shape == (2, 8, SIDE, SIDE)
        return len(shapes)

    # four ReLUs; torch keeps the image and the outputs of all five convolutions too
    assert kept(True) == 4
    assert kept(False) == 4 + 1 + 5


def test_gradients_can_be_taken_again_and_of_gradients() -> None:
    network = seeded(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Softplus()))
    results = []
    for sparing in (True, False):
        leaf = images().requires_grad_()
        with image_gradients(leaf) if sparing else nullcontext():
            out = network(leaf)
        first, again = (
            torch.autograd.grad(out.sum(), leaf, create_graph=True, retain_graph=True)[0]
            for _ in range(2)
        )
        assert torch.equal(first, again)
        results.append(torch.autograd.grad(first.square().sum(), leaf)[0])
    assert results[0].abs().max() > 0
    torch.testing.assert_close(results[0], results[1])


def test_trained_weights_get_their_gradients() -> None:
    network = seeded(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8))).requires_grad_(True)
    x = images().requires_grad_()
    with image_gradients(x):
        network(x).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    training = nn.BatchNorm2d(4).requires_grad_(False).train()
    with image_gradients(x):
        assert abs(float(training(x).detach().mean())) < 1e-5
    assert float(training.running_mean.abs().max()) > 0  # type: ignore[union-attr]


def test_autocast_and_transforms_of_functions_work_as_without() -> None:
    network = seeded(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)))
    x = images().requires_grad_()
    with image_gradients(x), torch.autocast("cpu", torch.bfloat16):
        out = network(x)
    assert out.dtype == torch.bfloat16
    torch.autograd.grad(out.float().sum(), x)
    with image_gradients(x):
        per_image = torch.func.vmap(torch.func.grad(lambda one: network(one[None]).sum()))
        gradients = per_image(x.detach())
    torch.testing.assert_close(gradients, torch.autograd.grad(network(x).sum(), x)[0])


def test_small_images_and_passes_without_gradients_are_left_alone() -> None:
    def seen(x: Tensor) -> str:
        with image_gradients(x):
            out = functional.conv2d(x, torch.ones(1, 4, 1, 1))
        return out.grad_fn.name() if out.grad_fn is not None else ""

    assert seen(images().requires_grad_()) == "ConvolutionBackward"
    assert seen(images()[..., :32, :32].requires_grad_()) == "ConvolutionBackward0"
    with torch.no_grad():
        assert seen(images()) == ""


def test_weights_are_frozen_for_a_while() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)).eval()
    network[1].requires_grad_(False)
    x = images().requires_grad_()
    with pytest.raises(RuntimeError), frozen_weights(network), image_gradients(x):
        assert not any(weight.requires_grad for weight in network.parameters())
        assert "NativeBatchNorm" in network(x).grad_fn.name()
        raise RuntimeError
    assert [weight.requires_grad for weight in network.parameters()] == [True, True, False, False]
