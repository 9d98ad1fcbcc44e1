"""Layers that do not take the images: refused with the size that fits, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.errors import InputError
from estimators.networks.checks.wrapping import Unusable, check_fit
from estimators.networks.running.guarded import Guarded

GREY = (1, 28, 28)


class Own(nn.Module):
    """A network whose code is its author's."""

    def __init__(self, forward: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.last = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layers(x))


def convolutions(side: int) -> nn.Module:
    """Padded convolutions before a dense layer for images of this side."""
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten()
    return Own(nn.Linear(8 * side**2, 10), *layers)


def refused(network: nn.Module) -> str:
    with pytest.raises(InputError) as told:
        check_fit(Guarded(network, "mine").eval(), GREY, 10, "mine")
    assert not isinstance(told.value, Unusable)
    return str(told.value)


@pytest.mark.parametrize("side", [8, 20, 41])
def test_the_size_that_fits_is_told(side: int) -> None:
    told = refused(convolutions(side))
    assert told.startswith("network mine: does not take images of shape [1, 28, 28] (RuntimeError")
    assert f"; it takes 1 x {side} x {side}: build it for this size, or let it resize" in told


def test_the_size_of_a_reshape_is_told() -> None:
    network = Own(lambda z: z.view(-1, 20 * 20)[:, :10])
    assert "it takes 1 x 20 x 20" in refused(network)


def reshaped(x: Tensor) -> Tensor:
    return x.reshape(len(x), 7)


# none of the sizes that are tried fits
MISMATCHES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "product": (
        lambda x: x.flatten(1) @ torch.ones(7, 10),
        r"shapes cannot be multiplied (2x784 and 7x10)",
    ),
    "sum": (lambda x: (x + torch.ones(1, 1, 17, 17)).flatten(1), "size of tensor a (28) must"),
    "reshape": (reshaped, "shape '[2, 7]' is invalid for input of size 1568"),
    "convolution": (
        lambda x: functional.conv2d(x, torch.ones(4, 5, 3, 3)),
        "to have 5 channels, but got 1 channels",
    ),
    "concatenation": (
        lambda x: torch.cat([x, torch.ones(2, 1, 17, 17)], 1),
        "Sizes of tensors must match except",
    ),
    "pooling": (lambda x: functional.max_pool2d(x, 400), "Output size is too small"),
    "kernel": (lambda x: functional.conv2d(x, torch.ones(4, 1, 400, 400)), "Kernel size can't be"),
    "batch norm": (
        lambda x: functional.batch_norm(x, torch.zeros(5), torch.ones(5)),
        "running_mean should contain",
    ),
    "layer norm": (lambda x: functional.layer_norm(x, [17, 17]), "normalized_shape=[17, 17]"),
    "group norm": (
        lambda x: functional.group_norm(x, 1, torch.ones(5)),
        "size equal to the number of channels in input",
    ),
    "instance norm": (lambda x: nn.InstanceNorm2d(5, affine=True)(x), "match num_features"),
    "padding": (lambda x: functional.pad(x, (400,) * 4, "reflect"), "Padding size should be less"),
    "expansion": (lambda x: x.expand(2, 5, 17, 17), "must match the existing size"),
    "place": (lambda x: x.add_(torch.ones(2, 5, 28, 28)), "doesn't match the broadcast shape"),
    "batches": (lambda x: torch.bmm(x[:, 0], torch.ones(2, 7, 10)), "dimensions of batch2"),
    "sum of products": (
        lambda x: torch.einsum("nchw,hk->nk", x, torch.ones(7, 10)),
        "does not broadcast with previously seen size",
    ),
    "unflattening": (lambda x: x.flatten(1).unflatten(1, (5, 7)), "don't multiply up to the size"),
    "vector": (lambda x: x.flatten(1) @ torch.ones(7), "size mismatch, got input"),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_torch_s_words_tell_a_mismatch(name: str) -> None:
    forward, words = MISMATCHES[name]
    told = refused(Own(forward))
    assert "does not take images of shape [1, 28, 28]" in told and words in told
    assert len(told.splitlines()) == 1


def test_what_else_is_raised_is_the_network_s() -> None:
    def fails(x: Tensor) -> Tensor:
        raise RuntimeError("no such mode")

    with pytest.raises(Unusable, match="no such mode"):
        check_fit(Guarded(Own(fails), "mine").eval(), GREY, 10, "mine")


def test_refused_before_any_work(bench, module, tmp_path: Path) -> None:
    module(
        "small",
        """
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.dense = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8 * 64, 10)
            def forward(self, x):
                return self.dense(self.conv(x).relu().flatten(1))
        """,
    )
    code, out = bench("run", "--network", "small:Net", "--attack", "fgsm:eps=0.1", "--out", "r")
    assert code == 2, out
    assert "it takes 1 x 8 x 8" in out
    assert len(out.strip().splitlines()) == 1, out
    assert not (tmp_path / "r").exists()
