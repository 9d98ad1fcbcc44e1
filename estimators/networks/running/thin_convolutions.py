"""The gradient of grey images at a convolution, several times faster than torch's own.

oneDNN computes sixteen channels at once. The gradient of a convolution that reads one channel has
one, so most of that work is lost. Here one convolution computes squares of BLOCK x BLOCK pixels of
the gradient as channels, and the squares are put side by side. It multiplies more (with zeros) and
takes a third to a sixth of the time.

Outputs keep their bits. Gradients are added up in another order: they differ by rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.image_gradients import spares
from estimators.networks.running.plain_layers import is_plain
from estimators.networks.running.proofs import agree, keeps_its_layers, random_images

# pixels of one side of a square
BLOCK = 4
# kernels below this gain nothing: the square adds BLOCK - 1 pixels on each axis
SMALLEST_KERNEL = 4
# largest difference of gradients, as a part of their length
TOLERANCE = 1e-5


class ThinConvolution(nn.Conv2d):
    """A frozen `nn.Conv2d` of one input channel, with a faster gradient of its images."""

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        own = {name: copy.copy(value) for name, value in vars(conv).items() if name[0] == "_"}
        self.__dict__.update({**vars(conv), **own})
        self.register_buffer("squares", _squares(conv.weight), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution; its bits are those of `nn.Conv2d`."""
        assert isinstance(self.padding, tuple) and isinstance(self.squares, Tensor)
        whole = input.ndim == 4 and not any(size % BLOCK for size in input.shape[2:])
        same_place = input.device == self.squares.device and input.dtype == self.squares.dtype
        if not whole or not same_place or not spares(input, self.weight, self.bias):
            return super().forward(input)
        arguments = self.weight, self.bias, self.squares, self.padding
        result: Tensor = _Thin.apply(input, *arguments)
        return result


class _Thin(torch.autograd.Function):
    """`conv2d` with the gradient of its input by squares."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, squares: Tensor,
        padding: tuple[int, int],
    ) -> Tensor:  # fmt: skip
        """Return the convolution."""
        ctx.save_for_backward(weight, squares)
        ctx.layout, ctx.padding = (x.shape, x.stride()), padding
        return functional.conv2d(x, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the input.

        NaN and infinity times zero are NaN in a whole square. Then torch's own gradient is taken.
        """
        weight, squares = ctx.saved_tensors
        (shape, strides), pad = ctx.layout, ctx.padding
        margin = weight.shape[2] - 1 - pad[0], weight.shape[3] - 1 - pad[1]
        parts = functional.conv2d(gradient, squares, stride=BLOCK, padding=margin)
        passed = functional.pixel_shuffle(parts, BLOCK)
        if bool(torch.isfinite(passed.detach().sum())):
            return (passed, *[None] * 4)
        like = torch.empty_strided(shape, strides, dtype=gradient.dtype, device=gradient.device)
        plain = torch.ops.aten.convolution_backward(
            gradient, like, weight, None, [1, 1], pad, [1, 1], False, [0, 0], 1,
            [True, False, False],
        )  # fmt: skip
        return (plain[0], *[None] * 4)


def thinned(network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """Return a network that takes the gradient of grey images faster, where that is proved.

    Its plain convolutions of one channel and stride 1 become `ThinConvolution`. The gradients of
    random images, and of those images under attack, agree within TOLERANCE. Otherwise, behind a
    guard, with hooks of all modules, on another device than the CPU, and with the switch of
    `proofs`, the network itself comes back.

    network: frozen, in evaluation mode. Its modules are shared, its memory layout is kept.
    """
    if keeps_its_layers(network):
        return network
    found = {id(m): ThinConvolution(m) for m in network.modules() if is_thin(m)}
    if not found:
        return network
    thin = replaced(network, found)
    same = thin is not network and agree(network, thin, random_images(shape), 0, TOLERANCE)
    return thin if same else network


def is_thin(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether a layer is a convolution that `ThinConvolution` can stand for."""
    if type(module) is not nn.Conv2d or not is_plain(module):
        return False
    plain = all(type(p) is nn.Parameter for p in module._parameters.values() if p is not None)
    kernel, padding = module.kernel_size, module.padding
    return (
        plain
        and (module.in_channels, module.groups, module.padding_mode) == (1, 1, "zeros")
        and (module.stride, module.dilation) == ((1, 1), (1, 1))
        and isinstance(padding, tuple)
        and min(kernel) >= SMALLEST_KERNEL
        and all(pad < size for pad, size in zip(padding, kernel, strict=True))
        and (module.weight.device.type, module.weight.dtype) == ("cpu", torch.float32)
        and not module.weight.requires_grad
    )


def replaced(module: nn.Module, found: Mapping[int, nn.Module]) -> nn.Module:
    """Return a module with the layers of these ids replaced; all weights stay shared."""
    if id(module) in found:
        return found[id(module)]
    memo: dict[int, Any] = {id(t): t for t in (*module.parameters(), *module.buffers())}
    memo |= found
    # what stands in for a layer shares its weights too
    return copy.deepcopy(module, memo)


def _squares(weight: Tensor) -> Tensor:
    """Return the weights [BLOCK^2, out, kH + BLOCK - 1, kW + BLOCK - 1] of the gradient's squares.

    weight: of the convolution, [out, 1, kH, kW].
    """
    squares = shifted(weight.detach().flip(2, 3)[:, 0], BLOCK)
    return squares.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def shifted(kernels: Tensor, side: int) -> Tensor:
    """Return kernels [side, side, N, kH + side - 1, kW + side - 1] at each place of a square.

    kernels: [N, kH, kW].
    """
    count, high, wide = kernels.shape
    places = kernels.new_zeros(side, side, count, high + side - 1, wide + side - 1)
    for row in range(side):
        for column in range(side):
            places[row, column, :, row : row + high, column : column + wide] = kernels
    return places
