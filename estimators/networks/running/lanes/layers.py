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
from estimators.networks.running.lanes.kernels import (
    BACKWARDS,
    BLOCKS,
    COLUMNS,
    LANES,
    OWN_COLUMNS,
    ROWS,
)
from estimators.networks.running.lanes.packing import Floats, empty_vectors, packed, unpacked
from estimators.networks.running.proofs import COMPARED

LAST = torch.channels_last
Marks = npt.NDArray[np.uint8]
Pool = nn.AvgPool2d | nn.MaxPool2d


@dataclass(frozen=True)
class Turned:
    """The convolutions of the gradient of a result that give the gradient of the source.

    With a stride s there are s * s phases: the pixels of the source whose row and column leave the
    same rest. Each has a convolution of stride 1, with its own part of the kernel.

    values: the weights of all. phases: int64 [s * s, 5]: where its weights begin, rows and columns
    of its kernel, of its zeros before the gradient. order: of the additions. margin: columns of
    zeros that all need on each side.
    """

    values: Floats
    phases: npt.NDArray[np.int64]
    order: int
    margin: int

    @classmethod
    def of(
        cls, conv: nn.Conv2d, order: int, pad: tuple[int, int], source: int, between: int
    ) -> Turned:
        """Return those of a convolution; source, between: columns before and after it."""
        stride, margin, begins = conv.stride[0], 0, 0
        parts, phases = [], []
        for row in range(stride):
            for column in range(stride):
                high, wide = (row + pad[0]) % stride, (column + pad[1]) % stride
                part = conv.weight.detach()[:, :, high::stride, wide::stride]
                part = part.flip(2, 3).transpose(0, 1)
                above = part.shape[2] - 1 - (row + pad[0]) // stride
                before = part.shape[3] - 1 - (column + pad[1]) // stride
                after = -(-(source - column) // stride) + part.shape[3] - 1 - before - between
                margin = max(margin, before, after)
                phases.append([begins, *part.shape[2:], above, before])
                parts.append(weights_of(part, order))
                begins += len(parts[-1])
        return cls(np.concatenate(parts), np.array(phases, np.int64), order, margin)


def weights_of(weight: Tensor, order: int) -> Floats:
    """Return weights [outputs, channels, rows, columns] in one dimension, as the kernels read."""
    blocks = weight.detach().unflatten(0, (-1, BLOCKS[len(weight)][0]))
    if order == BACKWARDS:
        blocks = blocks.flip(3, 4)
    places = (0, 3, 4, 2, 1) if order == ROWS else (0, 4, 3, 2, 1)
    values: Floats = blocks.permute(places).contiguous().numpy().reshape(-1)
    return values


@dataclass(frozen=True)
class LaneLayer:
    """A convolution, its ReLU and, where there is one, its pooling of 2x2 pixels.

    weights: of the convolution. kernel: its rows, columns, outputs, and rows and columns of its
    padding. order: of its additions. stride: of rows and columns. bias: of its outputs, each LANES
    times. turned: what takes gradients back. pooling: of `kernels`. source, target: channels, rows
    and columns of an image before and after. between: rows and columns of the convolution.
    """

    weights: Floats
    kernel: tuple[int, int, int, int, int]
    order: int
    stride: int
    bias: Floats
    turned: Turned
    pooling: int
    source: tuple[int, int, int]
    target: tuple[int, int, int]
    between: tuple[int, int]

    @property
    def margin(self) -> int:
        """Return the columns of zeros that the source needs on each side."""
        return self.kernel[4]

    def run(self, source: Floats, margin: int, marked: bool) -> tuple[Floats, Marks]:
        """Return the outputs, with columns of zeros on both sides, and what `gradient` needs.

        marked: False leaves the latter without values.
        """
        channels, rows, columns = self.target
        target = empty_vectors(len(source), channels, rows, columns, margin)
        marks = np.empty((len(source), rows, columns, channels, LANES), np.uint8)
        kernels.layer(
            source, self.weights, self.kernel, self.order, self.stride, self.bias, self.pooling,
            margin, target, marks, marked,
        )  # fmt: skip
        return target, marks

    def gradient(self, gradient: Floats, marks: Marks) -> Floats:
        """Return the gradient of the source from that of the outputs, both without zeros around."""
        channels, rows, columns = self.source
        target = np.empty((len(gradient), rows, columns, channels, LANES), np.float32)
        way = self.turned
        kernels.layer_gradient(
            gradient, marks, way.values, way.phases, way.order, self.stride, self.between,
            way.margin, self.pooling, target,
        )  # fmt: skip
        return target


def lane_layer(
    conv: nn.Conv2d, pool: Pool | None, source: tuple[int, int, int]
) -> LaneLayer | None:
    """Return a layer that has the bits of torch's, in the order that a trial finds; None for none.

    conv: frozen, of one group, with one stride for rows and columns that is no larger than the
    kernel. source: channels, rows and columns of its images.
    """
    outputs, channels, *kernel = conv.weight.shape
    stride, pad = conv.stride[0], (int(conv.padding[0]), int(conv.padding[1]))
    spans = [size + 2 * p - k for size, p, k in zip(source[1:], pad, kernel, strict=True)]
    between = spans[0] // stride + 1, spans[1] // stride + 1
    window = 1 if pool is None else 2
    target = outputs, between[0] // window, between[1] // window
    # blocks of pixels that are wider than a row have no place
    fits = between[1] >= BLOCKS[outputs][1] and source[2] // stride >= BLOCKS[channels][1]
    # pixels that no result reads have no gradient
    read = all(span % stride <= p for span, p in zip(spans, pad, strict=True))
    if channels != source[0] or min(target) < 1 or not fits or not read:
        return None
    bias = torch.zeros(outputs) if conv.bias is None else conv.bias.detach()
    pooling = kernels.NO_POOLING
    if pool is not None:
        pooling = kernels.LARGEST if isinstance(pool, nn.MaxPool2d) else kernels.AVERAGE

    def made(order: int, order_back: int) -> LaneLayer:
        return LaneLayer(
            weights_of(conv.weight, order), (kernel[0], kernel[1], outputs, *pad), order, stride,
            np.repeat(bias.numpy(), LANES),
            Turned.of(conv, order_back, pad, source[2], between[1]), pooling, source, target,
            between,
        )  # fmt: skip

    trial = _Trial(conv, pool, source)
    order = next((o for o in (ROWS, COLUMNS) if trial.agrees(made(o, ROWS))), None)
    if order is None:
        return None
    backwards = ROWS, COLUMNS, OWN_COLUMNS, BACKWARDS
    return next((m for o in backwards if trial.returns(m := made(order, o))), None)


class _Trial:
    """Random images of a layer, what torch makes of them, and a gradient that it takes back."""

    def __init__(self, conv: nn.Conv2d, pool: Pool | None, source: tuple[int, int, int]) -> None:
        random = torch.Generator().manual_seed(0)
        x = torch.rand(COMPARED, *source, generator=random).contiguous(memory_format=LAST)
        leaf = x.requires_grad_(True)
        with torch.enable_grad():
            out = functional.relu(conv(leaf))
            out = out if pool is None else pool(out)
        gradient = torch.randn(out.shape, generator=random)
        self.x, self.out, self.gradient = x.detach(), out.detach(), gradient
        self.passed = torch.autograd.grad(out, leaf, gradient)[0]
        self.marks: Any = None

    def agrees(self, layer: LaneLayer) -> bool:
        found, self.marks = layer.run(packed(self.x, layer.margin), 0, marked=True)
        return torch.equal(unpacked(found, self.out.shape, LAST), self.out)

    def returns(self, layer: LaneLayer) -> bool:
        found = layer.gradient(packed(self.gradient, 0), self.marks)
        return torch.equal(unpacked(found, self.passed.shape, LAST), self.passed)
