"""Networks whose gradients or outputs are spoilt on purpose, around one whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Changed(nn.Module):
    """A network whose outputs a function changes, which gets the images, too."""

    def __init__(self, network: nn.Module, change: Change) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.change(self.network(x), x)


def nan_branch(network: nn.Module) -> nn.Module:
    """The same outputs; the branch that `where` leaves out makes every gradient NaN."""

    def change(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        negative = x.mean((1, 2, 3)) - 2
        root = torch.where(negative > 0, negative.sqrt(), torch.zeros_like(negative))
        return z + root[:, None]

    return Changed(network, change).eval()


class _NanWhere(torch.autograd.Function):
    """The identity, whose backward pass is NaN for the images that a function names."""

    @staticmethod
    def forward(ctx, x, bad):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(bad(x))
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (bad,) = ctx.saved_tensors
        return gradient.masked_fill(bad.view(-1, 1, 1, 1), torch.nan), None


class NanBackward(nn.Module):
    """The same outputs; no gradient comes back for the images that a function names."""

    def __init__(self, network: nn.Module, bad: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network, self.bad = network, bad

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(_NanWhere.apply(x, self.bad))


def on_grey_levels(x: torch.Tensor) -> torch.Tensor:
    """Return which images consist of whole grey levels, as files do."""
    return ((255 * x).round() / 255 - x).abs().flatten(1).amax(1) < 1e-6


class NanWhenBright(nn.Module):
    """Right on every image of class 0; NaN for those whose mean rises above a threshold.

    The margin 1 - mean stays positive on the way, so that the class never changes.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2, 3))
        z = torch.stack([1 - mean, 0 * mean, 0 * mean - 1], 1)
        return z + 0 * torch.log(self.threshold - mean)[:, None]


SQUASHING: dict[str, Change] = {
    "sigmoid": lambda z, x: torch.sigmoid(z),
    "tanh": lambda z, x: torch.tanh(z),
    "softmax": lambda z, x: torch.softmax(z, 1),
    "softmax times 100": lambda z, x: 100 * torch.softmax(z, 1),
    "softmax times objectness": lambda z, x: (
        torch.softmax(z, 1) * torch.sigmoid(x.mean((1, 2, 3)))[:, None]
    ),
    "mean of softmax": lambda z, x: (torch.softmax(z, 1) + torch.softmax(0.9 * z, 1)) / 2,
    "logsigmoid": lambda z, x: torch.nn.functional.logsigmoid(z),
    "minus exp": lambda z, x: -torch.exp(-z),
}
