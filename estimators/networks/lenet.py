"""LeNet, for any input from 12x12."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from estimators.errors import InputError, unknown
from estimators.networks.initialise import initialise
from estimators.validation import number, whole

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
}


class LeNet(nn.Module):
    """LeNet as in the paper (61,706 parameters on 28x28 grey images), for any input size.

    extra_layers: dense layers of 256 units, each with its activation, directly before the last
        dense layer (the paper's Table 1).
    activation: a name of ACTIVATIONS. dropout: from 0 to below 1.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        extra_layers: int,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise unknown("activation", activation, ACTIVATIONS)
        whole("lenet: extra_layers", extra_layers, 0)
        number("lenet: dropout", dropout, 0, 1, "[)")
        act = ACTIVATIONS[activation]
        channels, height, width = shape
        size = ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        if min(height, width) < 12:
            raise InputError(f"lenet: expected images of at least 12x12, got {height}x{width}")
        extra: list[nn.Module] = []
        for n in range(extra_layers):
            extra += [nn.Linear(84 if n == 0 else 256, 256), act()]
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),
            act(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            act(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * size, 120),
            act(),
            nn.Dropout(dropout),
            nn.Linear(120, 84),
            act(),
            *extra,
            nn.Linear(256 if extra_layers else 84, classes),
        )
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits
