"""The first layers of a small network on vectors of images: LeNet's take a third of the time.

oneDNN computes several channels of one image at once. LeNet has 1, 6 and 16, which do not fill its
vectors well, and it moves features between layers. Here one vector has a pixel of 16 images (8
without AVX-512), and a convolution, its ReLU and its pooling are one pass over them. The gradient
of a convolution with a stride, which oneDNN computes slowly, is one of stride 1 for each phase.

The sums have the order of oneDNN, so outputs and gradients have its bits. Which order that is, a
trial finds; where none fits, torch's own layers stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from estimators.networks.input_layers import Normalise
from estimators.networks.running.lanes.kernels import BLOCKS, LANES
from estimators.networks.running.lanes.layers import LaneLayer, Marks, Pool, lane_layer
from estimators.networks.running.lanes.packing import normalise, packed, row_of, unpacked
from estimators.networks.running.plain_layers import has_hooks, is_plain, own_tensors
from estimators.networks.running.proofs import agree, keeps_its_layers, random_images
from estimators.networks.running.thin_convolutions import SMALLEST_KERNEL, replaced

WINDOW = 2


class Front(nn.Module):
    """Layers of convolution, ReLU and maybe pooling, and the `nn.Flatten` behind them.

    plain: the layers of torch, for what the kernels do not take; a `Normalise` may be the first.
    layers: the convolutions for the kernels.
    """

    def __init__(self, plain: nn.Sequential, layers: tuple[LaneLayer, ...]) -> None:
        super().__init__()
        self.plain, self.layers = plain, layers
        first, columns, self.scale = plain[0], layers[0].source[2], None
        if isinstance(first, Normalise):
            self.scale = row_of(first.mean, columns), row_of(first.std, columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features [N, D] of images [N, C, H, W]."""
        if not self._fits(x):
            plain: Tensor = self.plain(x)
            return plain
        if torch.is_grad_enabled() and x.requires_grad:
            result: Tensor = _Passes.apply(x, self)
            return result
        return self.computed(x, marked=False)[0]

    def computed(self, x: Tensor, marked: bool) -> tuple[Tensor, list[Marks]]:
        """Return the features and, where `marked`, what `gradient` needs."""
        margin, every = self.layers[0].margin, []
        features = packed(x.detach(), margin)
        if self.scale is not None:
            normalise(features, *self.scale, margin)
        for layer, following in zip(self.layers, [*self.layers[1:], None], strict=True):
            margin = 0 if following is None else following.margin
            features, marks = layer.run(features, margin, marked)
            every.append(marks)
        shape = torch.Size((len(x), *self.layers[-1].target))
        return unpacked(features, shape, torch.contiguous_format).flatten(1), every

    def gradient(self, gradient: Tensor, every: list[Marks], layout: torch.memory_format) -> Tensor:
        """Return the gradient of the images from that of the features [N, D]; layout: of memory."""
        passed = packed(gradient.detach().unflatten(1, self.layers[-1].target), 0)
        for layer, marks in zip(reversed(self.layers), reversed(every), strict=True):
            passed = layer.gradient(passed, marks)
        if self.scale is not None:
            normalise(passed, np.zeros_like(self.scale[1]), self.scale[1], 0)
        return unpacked(passed, torch.Size((len(gradient), *self.layers[0].source)), layout)

    def _fits(self, x: Tensor) -> bool:
        # who looks into a layer (Grad-CAM) finds torch's own
        return (
            not any(map(has_hooks, self.plain))
            and type(x) is Tensor
            and tuple(x.shape[1:]) == self.layers[0].source
            and len(x) > 0
            and (x.dtype, x.device.type) == (torch.float32, "cpu")
            and not torch.is_autocast_enabled("cpu")
            and not torch._C._are_functorch_transforms_active()
        )


class _Passes(torch.autograd.Function):
    """The pass forward and the gradient of the images."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, front: Front) -> Tensor:
        """Return the features."""
        features, ctx.marks = front.computed(x, marked=True)
        ctx.save_for_backward(x)
        ctx.front = front
        return features

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the images; torch computes one that needs a gradient itself."""
        (x,) = ctx.saved_tensors
        if not torch.is_grad_enabled() and not _is_batched(gradient):
            layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
            return ctx.front.gradient(gradient, ctx.marks, layout), None
        with torch.enable_grad():
            out = ctx.front.plain(x)
        own = torch.is_grad_enabled()
        return torch.autograd.grad(out, x, gradient, create_graph=own)[0], None


def _is_batched(gradient: Tensor) -> bool:
    """Return whether a gradient stands for several (`is_grads_batched`, `torch.func.vmap`)."""
    kinds = torch._C._functorch
    return kinds.is_legacy_batchedtensor(gradient) or kinds.is_batchedtensor(gradient)


def fronted(network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """Return a network with its first layers on vectors of images, where that is proved the same.

    The layers stand at the beginning of an `nn.Sequential`: a `Normalise` or none; convolutions of
    4x4 and more with 1, 3, 6, 16 or 32 channels, each with its ReLU and an average or maximum of
    2x2 or none; then `nn.Flatten`. Logits and gradients of random images, and of those under
    attack, have the same bits. Otherwise, behind a guard, with hooks of all modules, and with the
    switch of `proofs`, the network itself comes back.

    network: frozen, in evaluation mode, on the CPU. Its modules are shared. shape: of an image.
    """
    if not LANES or keeps_its_layers(network):
        return network
    found: dict[int, nn.Module] = {}
    for module in network.modules():
        if type(module) is nn.Sequential and not found.keys() & set(map(id, module)):
            found |= _front(module, shape)
    if not found:
        return network
    quick = replaced(network, found)
    return quick if agree(network, quick, random_images(shape), 0, 0) else network


def takes_any_layout(network: nn.Module) -> bool:
    """Return whether a network begins with a `Front`, which reads both memory layouts of images."""
    while type(network) is nn.Sequential and len(network):
        network = network[0]
    return isinstance(network, Front)


def _front(sequence: nn.Sequential, shape: tuple[int, int, int]) -> dict[int, nn.Module]:
    """Return what stands in for the first layers of a sequence, by their ids."""
    before: list[nn.Module] = []
    if len(sequence) > 1 and _is_normalise(sequence[0], shape[0]):
        before, inner = [sequence[0]], sequence[1]
        sequence = inner if type(inner) is nn.Sequential and is_plain(inner) else sequence[1:]
    run = list(_run(sequence))
    size = sum(2 if pool is None else 3 for _, pool in run) + 1
    if not run or len(sequence) < size or not _flattens(sequence[size - 1]):
        return {}
    layers: list[LaneLayer] = []
    for conv, pool in run:
        layer = lane_layer(conv, pool, layers[-1].target if layers else shape)
        if layer is None:
            return {}
        layers.append(layer)
    plain = nn.Sequential(*before, *sequence[:size])
    first, *others = plain
    front = Front(plain, tuple(layers))
    return {id(first): front, **{id(other): nn.Identity() for other in others}}


def _run(sequence: nn.Sequential) -> Iterator[tuple[nn.Conv2d, Pool | None]]:
    """Yield each convolution at the beginning of a sequence that ReLU follows, and its pooling."""
    modules = list(sequence)
    while len(modules) > 2:
        conv, act, pool, *_ = modules
        if not (_is_convolution(conv) and _is_relu(act)):
            return
        found = pool if _is_pool(pool) else None
        yield conv, found
        modules = modules[3 if found else 2 :]


def _is_convolution(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    if type(module) is not nn.Conv2d or not own_tensors(module):
        return False
    padding, weight = module.padding, module.weight
    return (
        {module.in_channels, module.out_channels} <= set(BLOCKS)
        and (module.groups, module.padding_mode) == (1, "zeros")
        and module.dilation == (1, 1)
        and module.stride[0] == module.stride[1] <= min(module.kernel_size)
        and isinstance(padding, tuple)
        # below, torch takes other kernels for few images
        and min(module.kernel_size) >= SMALLEST_KERNEL
        and all(pad < size for pad, size in zip(padding, module.kernel_size, strict=True))
        and (weight.device.type, weight.dtype) == ("cpu", torch.float32)
        and not any(p.requires_grad for p in module.parameters())
        and all(bool(p.isfinite().all()) for p in module.parameters())
    )


def _is_normalise(module: nn.Module, channels: int) -> bool:
    return type(module) is Normalise and is_plain(module) and len(module.mean) == channels


def _is_relu(module: nn.Module) -> bool:
    return type(module) is nn.ReLU and is_plain(module) and not module.inplace


def _is_pool(module: nn.Module) -> TypeGuard[Pool]:
    if type(module) not in (nn.AvgPool2d, nn.MaxPool2d) or not is_plain(module):
        return False
    sides = {module.kernel_size, module.stride}
    whole = module.padding == 0 and not module.ceil_mode
    rest = bool(whole and sides <= {WINDOW, (WINDOW, WINDOW)})
    if isinstance(module, nn.AvgPool2d):
        return rest and module.divisor_override is None
    return bool(rest and module.dilation == 1 and not module.return_indices)


def _flattens(module: nn.Module) -> bool:
    if type(module) is not nn.Flatten or not is_plain(module):
        return False
    return bool(module.start_dim == 1 and module.end_dim == -1)
