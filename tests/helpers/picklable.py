"""Networks of others that travel to the workers of a cluster."""

from __future__ import annotations

import sys

from odd_networks import plain
from torch import Tensor, nn


class Viewing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = plain()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers[7](self.layers[:6](x).view(-1, 8 * 49))
        return out


class Exiting(Viewing):
    def forward(self, x: Tensor) -> Tensor:
        sys.exit(0)


class Folding(Viewing):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def viewing() -> nn.Module:
    return Viewing().eval()


def exiting() -> nn.Module:
    return Exiting().eval()


def folding() -> nn.Module:
    return Folding().eval()
