"""The networks, from images in [0, 1] to logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from estimators.errors import InputError, unknown
from estimators.networks.external import NONE, WRAPPING, call_factory, find_network, is_external
from estimators.networks.input_layers import normalised
from estimators.networks.low_pass import behind_low_pass
from estimators.spec import Spec
from estimators.training.adversarial import split_training

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
}


class LeNet(nn.Module):
    """LeNet as in the paper (61,706 parameters on 28x28 grey images), for any input size.

    `extra_layers` dense layers of 256 units, each with its activation, stand directly before the
    last dense layer (the paper's Table 1).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        extra_layers: int = 0,
        activation: str = "relu",
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise unknown("activation", activation, ACTIVATIONS)
        if extra_layers < 0:
            raise InputError(f"lenet: extra_layers must not be negative, found {extra_layers}")
        if not 0 <= dropout < 1:
            raise InputError(f"lenet: dropout must lie in [0, 1), found {dropout}")
        act = ACTIVATIONS[activation]
        channels, height, width = shape
        size = ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        if min(height, width) < 12:
            raise InputError(f"lenet: images of at least 12x12 wanted, found {height}x{width}")
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
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits


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
        """Features [N, maps, H, W] of features of the same shape."""
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
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits


class CNN(nn.Module):
    """The paper's network for CIFAR-10 (552,362 parameters as Keras counts them)."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        dropout: tuple[float, float, float, float] = (0.1, 0.15, 0.2, 0.25),
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
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [N, classes] of images [N, C, H, W] in [0, 1]."""
        logits: torch.Tensor = self.layers(x)
        return logits


def build_network(spec: Spec, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The untrained network of a spec for images of a shape (C, H, W), in evaluation mode.

    `mean` and `std`, which every network takes, become a first layer (x - mean) / std, and
    `low_pass` a fixed Gaussian filter of that width in pixels ahead of all; `weights` is left to
    `checkpoints.trained_network`, and what the spec says of training (`adversarial`) to training.
    """
    architecture, _ = split_training(spec)
    bare = architecture.without(*WRAPPING, "low_pass")
    if bare.name in NETWORKS:
        network = call_factory(NETWORKS[bare.name], bare, shape, classes)
    elif is_external(bare.name):
        network = find_network(bare, shape, classes, NONE).network
    else:
        raise unknown("network", bare.name, [*NETWORKS, *OTHERS])
    network = normalised(network, spec.get("mean"), spec.get("std"), shape[0], bare.name)
    sigma: Any = spec.get("low_pass", 0)
    return behind_low_pass(network, sigma, shape).eval()


def _initialise(network: nn.Module) -> None:
    """He initialisation: a stack of 20 ReLU layers trains, where PyTorch's own start fades out."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


NETWORKS: dict[str, Callable[..., nn.Module]] = {"lenet": LeNet, "resnet": ResNet, "cnn": CNN}
# how the others are named, for messages
OTHERS = ("torchvision:NAME", "timm:NAME", "robustbench:NAME", "package.module:factory")


def layer_table(network: nn.Module, shape: tuple[int, int, int]) -> list[dict[str, Any]]:
    """One row a layer in the order of execution: layer, output shape, parameters.

    Parameters are counted as Keras does: the running statistics of a batch norm are parameters
    that do not train. A block (IdentityBlock) is one row, as in the paper's Figure 31.
    """
    rows: list[dict[str, Any]] = []

    def note(module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        trainable, fixed = count_parameters(module)
        rows.append(
            {
                "layer": type(module).__name__,
                "output_shape": tuple(output.shape[1:]),
                "parameters": trainable + fixed,
            }
        )

    hooks = [m.register_forward_hook(note) for m in _layers(network)]
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return rows


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Trainable and non-trainable parameters, running statistics counted as Keras does."""
    parameters = list(module.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    statistics = sum(b.numel() for b in module.buffers() if b.is_floating_point())
    return trainable, frozen + statistics


def _layers(module: nn.Module) -> list[nn.Module]:
    children = list(module.children())
    if not children or isinstance(module, IdentityBlock):
        return [module]
    return [layer for child in children for layer in _layers(child)]
