"""The paper's ResNet for MNIST."""

from __future__ import annotations

import torch
from torch import nn

from estimators.networks.initialise import initialise


class IdentityBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut (He et al. 2015, Figure 2)."""

    # each convolution and the batch norm that alone reads it: may be folded for predictions
    conv_norm_pairs = (("conv1", "norm1"), ("conv2", "norm2"))

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps)
        self.conv2, self.norm2 = nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps)
        self.activation = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features [N, maps, H, W] of features of the same shape."""
        inner = self.activation(self.norm1(self.conv1(x)))
        out: torch.Tensor = self.activation(self.norm2(self.conv2(inner)) + x)
        return out


class ResNet(nn.Module):
    """The paper's ResNet for MNIST (152,842 parameters as Keras counts them)."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], 64, 7, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=3),
            IdentityBlock(64),
            IdentityBlock(64),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, classes),
        )
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits
