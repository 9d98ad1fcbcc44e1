"""The proof that a network computed in another way is the same: on images, clean and attacked."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.interrupts import contained
from estimators.networks.running.guarded import Guarded
from estimators.networks.running.image_gradients import image_gradients
from estimators.networks.running.plain_layers import global_hooks

# Linf of the attack among the images that are compared
STEP = 0.1
# images that are compared
COMPARED = 2
# set to 1, all passes are torch's own but for folded batch norms
SWITCH = "BENCH_PLAIN_PASSES"


def keeps_its_layers(network: nn.Module) -> bool:
    """Return whether no layer may be replaced: for the SWITCH, a guard, or hooks of all modules."""
    switched = os.environ.get(SWITCH, "") not in ("", "0")
    return switched or isinstance(network, Guarded) or global_hooks()


def random_images(shape: tuple[int, int, int]) -> Tensor:
    """Return images of a shape [C, H, W] for a proof, always the same."""
    x = torch.rand(COMPARED, *shape, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


def agree(
    network: nn.Module, other: nn.Module, clean: Tensor, logits: float, gradients: float | None
) -> bool:
    """Return whether two networks compute the same of images, clean and after one FGSM step.

    The step is against the classes that the first network predicts.

    logits: largest difference, as a part of the largest logit; with 0 the bits must be the same.
    gradients: of the cross entropy of those classes: length of the difference, as a part of their
        length. None compares predictions without gradients.
    """
    try:
        with contained(), torch.random.fork_rng(devices=[]):
            x = clean
            for _ in range(2):
                out, right = gradient_of(network, x)
                if gradients is None:
                    with torch.no_grad():
                        out, same = network(x.clone()), other(x.clone())
                else:
                    same, close = gradient_of(other, x)
                    if not float((right - close).norm()) <= gradients * float(right.norm()):
                        return False
                if not _near(out, same, logits):
                    return False
                x = (x + STEP * right.nan_to_num(0, 0, 0).sign()).clamp(0, 1)
        return True
    except Exception:
        # external code may raise anything; the network may take no such images
        return False


def gradient_of(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits, and the gradient of the cross entropy of the classes they predict."""
    leaf = x.detach().clone().requires_grad_(True)
    with torch.enable_grad(), image_gradients(x):
        out = network(leaf)
        loss = functional.cross_entropy(out, out.argmax(1), reduction="sum")
    return out.detach(), torch.autograd.grad(loss, leaf)[0]


def _near(one: Tensor, other: Tensor, tolerance: float) -> bool:
    if not tolerance:
        return torch.equal(one, other)
    limit = tolerance * float(one.nan_to_num(0, 0, 0).abs().max())
    return torch.allclose(one, other, rtol=0, atol=limit, equal_nan=True)
