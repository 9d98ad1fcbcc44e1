"""The first weights of this project's own networks."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """Draw weights as He et al. 2015: PyTorch's own do not train a stack of 20 ReLU layers."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
