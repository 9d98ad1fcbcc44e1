"""Factories of networks that others trained and published, each for files of weights as they are.

With a file of weights and MNIST:

    bench run --network benchmark.anchors.networks:lenet5 --weights mnist-lenet5-clean.pt \
        --dataset mnist
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

from torch import nn


def smallcnn() -> nn.Module:
    """TRADES, MNIST (github.com/yaodongyu/TRADES)."""
    conv = partial(nn.Conv2d, kernel_size=3)
    head = _layers(fc1=nn.Linear(1024, 200), relu1=nn.ReLU(), drop=nn.Dropout(0.5))
    head |= _layers(fc2=nn.Linear(200, 200), relu2=nn.ReLU(), fc3=nn.Linear(200, 10))
    body = _layers(conv1=conv(1, 32), relu1=nn.ReLU(), conv2=conv(32, 32), relu2=nn.ReLU())
    body |= _layers(pool1=nn.MaxPool2d(2), conv3=conv(32, 64), relu3=nn.ReLU(), conv4=conv(64, 64))
    body |= _layers(relu4=nn.ReLU(), pool2=nn.MaxPool2d(2), flatten=nn.Flatten())
    return _chain(_layers(feature_extractor=_chain(body), classifier=_chain(head)))


def lenet5() -> nn.Module:
    """AdverTorch's LeNet5 for MNIST, trained clean or by PGD (github.com/BorealisAI/advertorch)."""
    parts = _layers(conv1=nn.Conv2d(1, 32, 3, padding=1), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2))
    parts |= _layers(conv2=nn.Conv2d(32, 64, 3, padding=1), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2))
    parts |= _layers(flatten=nn.Flatten(), linear1=nn.Linear(7 * 7 * 64, 200), relu3=nn.ReLU())
    return _chain(parts | _layers(linear2=nn.Linear(200, 10)))


def cnn_a(shape: tuple[int, int, int]) -> nn.Module:
    """CNN-A of the SDP benchmark, MNIST or CIFAR-10 (github.com/Verified-Intelligence)."""
    channels, side, _ = shape
    first, second = nn.Conv2d(channels, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1)
    pixels = 32 * (side // 4) ** 2
    head = nn.Flatten(), nn.Linear(pixels, 100), nn.ReLU(), nn.Linear(100, 10)
    network: Any = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), *head)
    if channels == 3:  # becomes the first layer, so that eps stays in pixels
        mean, std = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
        network.pretrained_cfg = {"mean": [v / 255 for v in mean], "std": [v / 255 for v in std]}
    return network  # type: ignore[no-any-return]


def _layers(**layers: nn.Module) -> dict[str, nn.Module]:
    """Return layers by name, in their order."""
    return layers


def _chain(layers: dict[str, nn.Module]) -> nn.Module:
    return nn.Sequential(OrderedDict(layers))
