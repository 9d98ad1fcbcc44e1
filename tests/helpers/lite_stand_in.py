"""A stand-in for the packages of EfficientNet-Lite0: tiny, and right where one colour dominates."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from estimators.networks import efficientnet_lite

CLASSES = 1000


class Tiny(nn.Module):
    """Two convolutions, the mean of each map, and a linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 3, 1)
        self.last = nn.Linear(3, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of images [N, 3, H, W]."""
        maps = self.second(torch.relu(self.first(x)))
        logits: torch.Tensor = self.last(maps.mean(dim=(2, 3)))
        return logits

    @classmethod
    def from_name(cls, name: str, num_classes: int) -> Tiny:
        """Return an untrained network, as the package does."""
        assert name == "efficientnet-lite0"
        return cls(num_classes)


def trained() -> Tiny:
    """Return a network whose first three logits follow the three colours' means."""
    network = Tiny(CLASSES)
    rows = torch.arange(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.first.weight[rows, rows, 1, 1] = 1.0
        # a part of the neighbours, so that it is no filter of single pixels
        network.first.weight[rows, rows, 0, 1] = 0.5
        network.first.bias.fill_(2.0)
        network.second.weight[rows, rows] = 1.0
        network.last.weight[:3] = 20 * torch.eye(3)
        network.last.bias[3:] = -1000.0
    return network


def install(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Put the stand-in where both packages would be, its weights into a file."""
    torch.save(trained().state_dict(), path)
    code, weights = ModuleType(efficientnet_lite.CODE), ModuleType(efficientnet_lite.WEIGHTS)
    code.EfficientNet = Tiny  # type: ignore[attr-defined]

    class ModelFile:
        @staticmethod
        def get_model_file_path() -> str:
            return str(path)

    weights.EfficientnetLite0ModelFile = ModelFile  # type: ignore[attr-defined]
    for module in (code, weights):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def write_photos(folder: Path, count: int = 12, size: int = 32) -> None:
    """Write `photos.npz`: noise in which one of three colours is a little brighter."""
    random = np.random.default_rng(0)
    y = np.arange(count) % 3
    x = random.uniform(0.3, 0.6, (count, size, size, 3))
    x[np.arange(count), :, :, y] += 0.03
    pixels = (x * 255).round().astype(np.uint8)
    names = np.array([f"class {n}" for n in range(CLASSES)])
    np.savez(folder / "photos.npz", x_test=pixels, y_test=y, classes=names)
