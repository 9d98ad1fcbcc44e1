"""This project's own networks: LeNet, and the paper's for MNIST and CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from estimators.errors import InputError, number, unknown, whole

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
}


class _Stack(nn.Module):
    """Layers one after the other, with the weights of He et al. 2015 at the start.

    PyTorch's own start does not train a stack of 20 ReLU layers.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits


class LeNet(_Stack):
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
        if activation not in ACTIVATIONS:
            raise unknown("activation", str(activation), ACTIVATIONS)
        whole("lenet: extra_layers", extra_layers, 0, 1000)
        number("lenet: dropout", dropout, 0, 1, "[)")
        act = ACTIVATIONS[activation]
        channels, height, width = shape
        size = ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        if min(height, width) < 12:
            raise InputError(f"lenet: expected images of at least 12x12, got {height}x{width}")
        extra: list[nn.Module] = []
        for n in range(extra_layers):
            extra += [nn.Linear(84 if n == 0 else 256, 256), act()]
        super().__init__(
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


class CNN(_Stack):
    """The paper's network for CIFAR-10 (552,362 parameters as Keras counts them)."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, dropout: tuple[float, float, float, float]
    ) -> None:
        if not isinstance(dropout, tuple) or len(dropout) != 4:
            raise InputError(f"cnn: dropout must be four numbers, got {dropout!r}")
        for share in dropout:
            number("cnn: dropout", share, 0, 1, "[)")
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
        super().__init__(
            *stages,
            nn.Flatten(),
            nn.Linear(128 * (height // 8) * (width // 8), 128),
            nn.ReLU(),
            nn.Dropout(dropout[3]),
            nn.Linear(128, classes),
        )


class IdentityBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut (He et al. 2015, Figure 2)."""

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


class ResNet(_Stack):
    """The paper's ResNet for MNIST (152,842 parameters as Keras counts them)."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(
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
