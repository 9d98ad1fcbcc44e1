"""A library of attacks that is always installed: what adapters share, without any of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.adapters.library import Library
from benchmark.attacks.adapters.library_attack import LibraryAttackEntry, signature_entry
from benchmark.attacks.registry import LIBRARIES

# networks that attacks were given
SEEN: list[nn.Module] = []


def ascent(model: nn.Module, images: Tensor, labels: Tensor, eps: float, steps: int = 5) -> Tensor:
    """Steps along the sign of the gradient."""
    SEEN.append(model)
    x = images.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        loss = nn.functional.cross_entropy(model(x), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        x = (x.detach() + eps * gradient.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return x


def rude(model: nn.Module, images: Tensor, labels: Tensor, γ_0: float = 0.5) -> Tensor:
    """Switches modes, frees weights, writes into images, and returns float64."""
    model.train()
    model.requires_grad_(True)
    model(images)
    return images.add_(γ_0).clamp_(0, 1).double()


def by_class(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """One forward pass, and a backward pass per class; then another forward pass."""
    x = images.clone().requires_grad_(True)
    logits = model(x)
    for k in range(logits.shape[1]):
        torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)
    with torch.no_grad():
        model(x)
    return images


def chance(model: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Signs from torch's global stream."""
    return (images + eps * torch.randn(images.shape).sign()).clamp(0, 1)


def smaller(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Images of another shape."""
    return images[:, :, 1:]


def choosy(model: nn.Module, images: Tensor, labels: Tensor, loss: str = "ce") -> Tensor:
    """Knows one loss."""
    model(images)
    return {"ce": images}[loss]


def attacks() -> Mapping[str, LibraryAttackEntry]:
    """The attacks by name, as an adapter gives them."""
    return {fn.__name__: _entry(fn) for fn in (ascent, rude, by_class, chance, smaller, choosy)}


def _entry(function: Any) -> LibraryAttackEntry:
    def run(network: nn.Module, x: Tensor, y: Tensor, params: dict[str, Any]) -> Tensor:
        params.pop("targeted", None)
        found: Tensor = function(network, x, y, **params)
        return found

    return signature_entry(
        f"standin:{function.__name__}",
        function,
        run,
        hidden={"model", "images", "labels"},
        targeted=False,
        bounded=function in (ascent, chance),
    )


def register(monkeypatch: pytest.MonkeyPatch, distribution: str = "numpy") -> None:
    """Register the library as `standin:NAME`; it says that it belongs to a distribution."""
    row = Library(
        name="standin:NAME",
        summary="a stand-in",
        build="stand_in_library:attacks",
        distribution=distribution,
        install="pip install standin",
    )
    monkeypatch.setitem(LIBRARIES, "standin", row)
