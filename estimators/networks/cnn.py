"""The paper's network for CIFAR-10."""

from __future__ import annotations

import torch
from torch import nn

from estimators.networks.initialise import initialise


class CNN(nn.Module):
    """The paper's network for CIFAR-10 (552,362 parameters as Keras counts them)."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, dropout: tuple[float, float, float, float]
    ) -> None:
        super().__init__()
        channels, height, width = shape
        stages: list[nn.Module] = []
        for maps, drop in zip((32, 64, 128), dropout[:3], strict=True):
            stages += [
                nn.Conv2d(channels, maps, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(maps),
                nn.Conv2d(maps, maps, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(maps),
                nn.MaxPool2d(2),
                nn.Dropout(drop),
            ]
            channels = maps
        self.layers = nn.Sequential(
            *stages,
            nn.Flatten(),
            nn.Linear(128 * (height // 8) * (width // 8), 128),
            nn.ReLU(),
            nn.Dropout(dropout[3]),
            nn.Linear(128, classes),
        )
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits
