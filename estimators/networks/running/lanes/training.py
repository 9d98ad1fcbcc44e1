"""Training steps of the first layers on vectors of images, with the bits of torch's.

Weights change at each step, so the layers get them anew. The gradients of weights and biases are
added up as oneDNN does it on one thread (`weight_gradients`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from estimators.networks.copies.copying import copied
from estimators.networks.input_layers import Normalise
from estimators.networks.running.lanes.front import Front, fronted
from estimators.networks.running.lanes.kernels import LANES, LARGEST, NO_POOLING
from estimators.networks.running.lanes.layers import LaneLayer, Marks, Turned, weights_of
from estimators.networks.running.lanes.packing import Floats, packed, unpacked
from estimators.networks.running.lanes.weight_gradients import BLOCKS, SIDE, add_all, add_largest
from estimators.networks.running.thin_convolutions import replaced


class TrainedFront(Front):
    """A `Front` whose weights are trained."""

    def __init__(self, plain: nn.Sequential, layers: tuple[LaneLayer, ...]) -> None:
        super().__init__(plain, layers)
        self.scale = None  # torch normalises: the gradients of the weights read the result, too

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [N, D] of images [N, C, H, W]."""
        learns = torch.is_grad_enabled()
        # several threads of torch add up the gradients of weights in another order
        if not self._fits(x) or torch.get_num_threads() > 1 or (learns and x.requires_grad):
            plain: Tensor = self.plain(x)
            return plain
        if isinstance(self.plain[0], Normalise):
            x = self.plain[0](x)
        convolutions = [m for m in self.plain if isinstance(m, nn.Conv2d)]
        self.layers = tuple(map(_renewed, self.layers, convolutions))
        if not learns:
            return self.computed(x, marked=False)[0]
        parameters = [p for conv in convolutions for p in (conv.weight, conv.bias)]
        result: Tensor = _Step.apply(x, self.layers, *parameters)
        return result


class _Step(torch.autograd.Function):
    """The pass forward, and the gradients of the weights and biases."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, layers: tuple[LaneLayer, ...], *parameters: Tensor | None
    ) -> Tensor:
        """Return the features."""
        ctx.x, ctx.layers, ctx.parameters = x.detach(), layers, parameters
        ctx.sources, ctx.marks = [packed(ctx.x, layers[0].margin)], []
        margins = [layer.margin for layer in layers[1:]]
        for layer, margin in zip(layers, [*margins, 0], strict=True):
            features, marks = layer.run(ctx.sources[-1], margin, marked=True)
            ctx.sources.append(features)
            ctx.marks.append(marks)
        shape = torch.Size((len(x), *layers[-1].target))
        return unpacked(features, shape, torch.contiguous_format).flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the parameters; of the images there is none."""
        passed, found = packed(gradient.unflatten(1, ctx.layers[-1].target), 0), []
        for n, layer in reversed(list(enumerate(ctx.layers))):
            images = _images(layer, ctx.x if n == 0 else ctx.sources[n])
            weight, bias = _gradients(layer, passed, ctx.marks[n], images, len(gradient))
            like_weight, like_bias = ctx.parameters[2 * n : 2 * n + 2]
            # in the memory layout of the weights
            found += [
                None if like_bias is None else bias,
                torch.empty_like(like_weight).copy_(weight),
            ]
            if n:
                passed = layer.gradient(passed, ctx.marks[n])
        return None, None, *reversed(found)


def _renewed(layer: LaneLayer, conv: nn.Conv2d) -> LaneLayer:
    """Return a layer with the weights that its convolution has now."""
    bias = layer.bias if conv.bias is None else np.repeat(conv.bias.detach().numpy(), LANES)
    place = layer.kernel[3:], layer.source[2], layer.between[1]
    turned = Turned.of(conv, layer.turned.order, *place)
    return replace(layer, weights=weights_of(conv.weight, layer.order), bias=bias, turned=turned)


def _images(layer: LaneLayer, source: Tensor | Floats) -> Floats:
    """Return the images of a layer as the kernels of `weight_gradients` take them.

    source: images [N, C, H, W], or those side by side with their columns of zeros.
    """
    down, across = layer.kernel[3:]
    rows = slice(down, down + layer.source[1])
    count = len(source) if isinstance(source, Tensor) else len(source) * LANES
    flat = torch.zeros(count * math.prod(_shape(layer)) + LANES)
    images = flat[:-LANES].view(count, *_shape(layer))[:, rows]
    if isinstance(source, Tensor):
        images[:, :, across : across + layer.source[2]] = source.permute(0, 2, 3, 1)
    else:
        images.unflatten(0, (-1, LANES)).copy_(torch.from_numpy(source).permute(0, 4, 1, 2, 3))
    return flat.numpy()


def _shape(layer: LaneLayer) -> tuple[int, int, int]:
    """Return rows, columns and channels of a layer's images with the zeros around them."""
    (channels, rows, columns), (down, across) = layer.source, layer.kernel[3:]
    return rows + 2 * down, columns + 2 * across, channels


def _gradients(
    layer: LaneLayer, gradient: Floats, marks: Marks, images: Floats, count: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients of a layer's weights and bias."""
    channels = layer.source[0]
    block = BLOCKS[channels]
    sums = np.zeros((layer.target[0], SIDE, block[0] * block[1]), np.float32)
    about = images, count, _shape(layer), block, sums.reshape(-1)
    if layer.pooling == LARGEST:
        add_largest(gradient, marks, *about)
    else:
        add_all(gradient, marks, layer.between, *about)
    found = torch.from_numpy(sums)
    weights = found[..., : SIDE * channels].unflatten(2, (SIDE, channels))
    return weights.permute(0, 3, 1, 2), found[:, 0, -1].clone()


def trained_on_lanes(
    network: nn.Module, shape: tuple[int, int, int], batches: Iterable[int]
) -> nn.Module:
    """Return a network whose steps of training have the first layers on vectors of images.

    They take the bits of torch's on one thread, which random images, weights and gradients prove in
    batches of all given sizes. Where they do not, where `fronted` replaces nothing, and on several
    threads, the network itself comes back.

    network: on the CPU. Its parameters are shared. shape: of an image.
    """
    if torch.get_num_threads() > 1:
        return network
    trial = copied(network).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for parameter in trial.parameters():
        # biases begin at zero, where their place in a sum does not show
        parameter.add_(torch.randn(parameter.shape, generator=random), alpha=0.1)
    found: dict[int, nn.Module] = {}
    names = {id(module): name for name, module in trial.named_modules()}
    for front in fronted(trial, shape).modules():
        if not isinstance(front, Front):
            continue
        if not _supported(front.layers):
            return network
        tried = TrainedFront(front.plain.requires_grad_(True), front.layers)
        if not all(_agree(tried, size, random) for size in set(batches)):
            return network
        own = [network.get_submodule(names[id(module)]) for module in front.plain]
        first, *others = own
        found[id(first)] = TrainedFront(nn.Sequential(*own), front.layers)
        found |= {id(other): nn.Identity() for other in others}
    return replaced(network, found) if found else network


def _supported(layers: tuple[LaneLayer, ...]) -> bool:
    """Return whether the kernel knows the layers' weights."""
    return all(
        layer.source[0] in BLOCKS
        and layer.target[0] % BLOCKS[layer.source[0]][2] == 0
        and (*layer.kernel[:2], layer.stride) == (SIDE, SIDE, 1)
        and layer.pooling != NO_POOLING
        for layer in layers
    )


def _agree(front: TrainedFront, size: int, random: torch.Generator) -> bool:
    """Return whether a step has the bits of torch's in a batch of a size."""
    x = torch.rand(size, *front.layers[0].source, generator=random)
    x = x.contiguous(memory_format=torch.channels_last)
    passed, results = None, []
    for module in (front.plain, front):
        features = module(x)
        if passed is None:
            passed = torch.randn(features.shape, generator=random)
        results.append([features, *torch.autograd.grad(features, [*front.parameters()], passed)])
    return all(map(torch.equal, *results))
