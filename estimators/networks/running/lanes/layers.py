"""One layer on vectors of images: its weights as the kernels take them, in the order of oneDNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.lanes import kernels
from estimators.networks.running.lanes.kernels import BLOCKS, COLUMNS, LANES, OWN_COLUMNS, ROWS
from estimators.networks.running.proofs import COMPARED

Floats = npt.NDArray[np.float32]
Marks = npt.NDArray[np.uint8]
Pool = nn.AvgPool2d | nn.MaxPool2d


@dataclass(frozen=True)
class Weights:
    """Weights of a convolution in the order in which the kernel reads them.

    values: in one dimension. kernel: rows, columns, outputs. order: of the additions. padding: rows
    and columns of zeros on each side.
    """

    values: Floats
    kernel: tuple[int, int, int]
    order: int
    padding: tuple[int, int]

    @classmethod
    def of(cls, weight: Tensor, order: int, padding: tuple[int, int]) -> Weights:
        """Return the weights of [outputs, channels, rows, columns]."""
        outputs, _, high, wide = weight.shape
        blocks = weight.detach().unflatten(0, (-1, BLOCKS[outputs][0]))
        places = (0, 3, 4, 2, 1) if order == ROWS else (0, 4, 3, 2, 1)
        values = blocks.permute(places).contiguous().numpy().reshape(-1)
        return cls(values, (high, wide, outputs), order, padding)


@dataclass(frozen=True)
class LaneLayer:
    """A convolution, its ReLU and its pooling of 2x2 pixels.

    forward: the convolution. bias: of its outputs, each LANES times. turned: the convolution that
    takes gradients back. largest: the pooling takes the largest value; else the average.
    source, target: channels, rows and columns of an image before and after. between: rows and
    columns of the convolution.
    """

    forward: Weights
    bias: Floats
    turned: Weights
    largest: bool
    source: tuple[int, int, int]
    target: tuple[int, int, int]
    between: tuple[int, int]

    @property
    def margin(self) -> int:
        """Return the columns of zeros that the source needs on each side."""
        return self.forward.padding[1]

    def run(self, source: Floats, margin: int, marked: bool) -> tuple[Floats, Marks]:
        """Return the outputs, with columns of zeros on both sides, and what `gradient` needs.

        marked: False leaves the latter without values.
        """
        channels, rows, columns = self.target
        shape = len(source), rows, columns + 2 * margin, channels, LANES
        target = np.zeros(shape, np.float32) if margin else np.empty(shape, np.float32)
        marks = np.empty((len(source), rows, columns, channels, LANES), np.uint8)
        way = self.forward
        kernels.layer(
            source, way.values, self.bias, way.kernel, way.order, way.padding, self.largest,
            target, margin, marks, marked,
        )  # fmt: skip
        return target, marks

    def gradient(self, gradient: Floats, marks: Marks) -> Floats:
        """Return the gradient of the source from that of the outputs, both without zeros around."""
        channels, rows, columns = self.source
        target = np.empty((len(gradient), rows, columns, channels, LANES), np.float32)
        way = self.turned
        kernels.layer_gradient(
            gradient, marks, way.values, way.kernel, way.order, way.padding, self.between,
            self.largest, target,
        )  # fmt: skip
        return target


def lane_layer(conv: nn.Conv2d, pool: Pool, source: tuple[int, int, int]) -> LaneLayer | None:
    """Return a layer that has the bits of torch's, in the order that a trial finds; None for none.

    conv: frozen, stride 1, one group. source: channels, rows and columns of its images.
    """
    outputs, channels, high, wide = conv.weight.shape
    pad = int(conv.padding[0]), int(conv.padding[1])
    between = source[1] + 2 * pad[0] - high + 1, source[2] + 2 * pad[1] - wide + 1
    target = outputs, between[0] // 2, between[1] // 2
    # blocks of pixels that are wider than a row have no place
    fits = between[1] >= BLOCKS[outputs][1] and source[2] >= BLOCKS[channels][1]
    if channels != source[0] or min(target) < 1 or not fits:
        return None
    back = high - 1 - pad[0], wide - 1 - pad[1]
    turned = conv.weight.detach().flip(2, 3).transpose(0, 1)
    bias = torch.zeros(outputs) if conv.bias is None else conv.bias.detach()

    def made(order: int, order_back: int) -> LaneLayer:
        ways = Weights.of(conv.weight, order, pad), Weights.of(turned, order_back, back)
        largest = isinstance(pool, nn.MaxPool2d)
        about = largest, source, target, between
        return LaneLayer(ways[0], np.repeat(bias.numpy(), LANES), ways[1], *about)

    trial = _Trial(conv, pool, source)
    order = next((o for o in (ROWS, COLUMNS) if trial.agrees(made(o, ROWS))), None)
    if order is None:
        return None
    backwards = (ROWS, COLUMNS, OWN_COLUMNS) if channels == 6 else (ROWS, COLUMNS)
    return next((m for o in backwards if trial.returns(m := made(order, o))), None)


class _Trial:
    """Random images of a layer, what torch makes of them, and a gradient that it takes back."""

    def __init__(self, conv: nn.Conv2d, pool: Pool, source: tuple[int, int, int]) -> None:
        random = torch.Generator().manual_seed(0)
        last = torch.channels_last
        x = torch.rand(COMPARED, *source, generator=random).contiguous(memory_format=last)
        leaf = x.requires_grad_(True)
        with torch.enable_grad():
            out = pool(functional.relu(conv(leaf)))
        gradient = torch.randn(out.shape, generator=random)
        self.x, self.out, self.gradient = x.detach(), out.detach(), gradient
        self.passed = torch.autograd.grad(out, leaf, gradient)[0]
        self.marks: Any = None

    def agrees(self, layer: LaneLayer) -> bool:
        found, self.marks = layer.run(packed(self.x, layer.margin), 0, marked=True)
        return torch.equal(unpacked(found, self.out.shape), self.out)

    def returns(self, layer: LaneLayer) -> bool:
        found = layer.gradient(packed(self.gradient, 0), self.marks)
        return torch.equal(unpacked(found, self.passed.shape), self.passed)


def packed(images: Tensor, margin: int) -> Floats:
    """Return images [N, C, H, W] side by side, with columns of zeros on both sides."""
    count, channels, rows, columns = images.shape
    shape = -(-count // LANES), rows, columns + 2 * margin, channels, LANES
    target = np.zeros(shape, np.float32) if margin else np.empty(shape, np.float32)
    kernels.pack(images.numpy(), target, margin)
    return target


def unpacked(source: Floats, shape: torch.Size) -> Tensor:
    """Return images [N, C, H, W] from those side by side."""
    images = torch.empty(shape, dtype=torch.float32)
    kernels.unpack(source, images.numpy())
    return images
