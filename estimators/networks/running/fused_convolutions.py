"""A convolution with all that follows it: batch norm, the addition of a shortcut, activation.

One call of oneDNN computes it and writes its result once. The gradient of its input needs the
weights, and the result where that tells which values the activation passes. The activation's part
of a gradient is written into the gradient of the layer that alone reads the result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.activations import NONE, Activation
from estimators.networks.running.image_gradients import Convolution, Layout, spares
from estimators.networks.running.pixel_blocks import Blocks


class Fused(NamedTuple):
    """What a fused convolution computes with.

    weight [out, in / groups, kH, kW], bias: of the convolution, with the batch norm in them.
    layout: stride, padding, dilation and groups.
    border: zeros around its input, as `functional.pad` takes them; () where the padding has all.
    activation: of its result.
    reader: whether the layer that reads the result takes the gradient of this activation.
    before: the activation of its input, whose gradient this layer takes.
    turned: weights of a convolution that computes the gradient of the input, where it is faster.
    blocks: the same by blocks of pixels.
    """

    weight: Tensor
    bias: Tensor | None
    layout: Layout
    border: tuple[int, ...] = ()
    activation: Activation = NONE
    reader: bool = False
    before: Activation = NONE
    turned: Tensor | None = None
    blocks: Blocks | None = None

    def of(self, x: Tensor, other: Tensor | None) -> Tensor:
        """Return the result, without a gradient."""
        x = functional.pad(x, self.border) if self.border else x
        stride, padding, dilation, groups = self.layout
        call, common = torch.ops.mkldnn._convolution_pointwise, (padding, stride, dilation, groups)
        name, scalars = self.activation.name, list(self.activation.limits)
        out: Tensor
        if other is None:
            out = call(x, self.weight, self.bias, *common, name, scalars, "")
        else:
            unary = None if name == "none" else name
            out = call.binary(
                x, other, self.weight, self.bias, *common, "add", 1.0, unary, scalars, ""
            )
        return out

    def backward(self, gradient: Tensor, shape: torch.Size, strides: Any) -> Tensor:
        """Return the gradient of the input of a shape, in memory of its own."""
        stride, padding, dilation, groups = self.layout
        if self.turned is not None and not torch.is_grad_enabled():
            margin = [
                size - 1 - pad for size, pad in zip(self.weight.shape[2:], padding, strict=True)
            ]
            call = torch.ops.mkldnn._convolution_pointwise
            one, place = [1, 1], (gradient, self.turned, None)
            same: Tensor = call(*place, margin, one, one, groups, "none", [], "")
            return same
        if self.blocks is not None:
            passed = self.blocks.gradient(gradient, shape)
            if passed is not None:
                return passed
        if self.border:
            left, right, top, bottom = self.border
            count, channels, high, wide = shape
            like = gradient.new_empty(count, channels, high + top + bottom, wide + left + right)
            like = like.contiguous(memory_format=torch.channels_last)
        else:
            # its values are not read, and memory that is not written takes no pages
            like = torch.empty_strided(shape, strides, dtype=gradient.dtype)
        result: Tensor = torch.ops.aten.convolution_backward(
            gradient, like, self.weight, None, stride, padding, dilation, False, [0, 0], groups,
            [True, False, False],
        )[0]  # fmt: skip
        return result[:, :, top : top + high, left : left + wide] if self.border else result


class FusedConvolution(nn.Module):
    """A frozen convolution, an addition, and an activation."""

    def __init__(self, fused: Fused) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the activation of the convolution of x plus another tensor."""
        fused = self.fused
        tensors = [x] if other is None else [x, other]
        if not all(_is_known(t) for t in tensors):
            return self._plain(x, other)
        if not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors)):
            return fused.of(x, other)
        if not all(spares(t, fused.weight, fused.bias) for t in tensors if t.requires_grad):
            return self._plain(x, other)
        if fused.activation.shows:
            result: Tensor = _Function.apply(x, other, fused)
            return result
        x = functional.pad(x, fused.border) if fused.border else x
        result = Convolution.apply(x, fused.weight, fused.bias, *fused.layout)
        return fused.activation.of(result if other is None else result + other)

    def _plain(self, x: Tensor, other: Tensor | None) -> Tensor:
        """Return the result by torch's own functions; a GPU, autocast and `torch.func` need it."""
        weight, bias, layout, border, activation, *_ = self.fused
        x = functional.pad(x, border) if border else x
        out = functional.conv2d(x, weight, bias, *layout)
        return activation.of(out if other is None else out + other)


class _Function(torch.autograd.Function):
    """A fused convolution with the gradients of its input and of what is added."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, other: Tensor | None, fused: Fused) -> Tensor:
        """Return the result."""
        out = fused.of(x, other)
        own = fused.activation.name != "none" and not fused.reader
        earlier = fused.before.name != "none"
        ctx.save_for_backward(out if own else None, x if earlier else None)
        ctx.place, ctx.fused = (x.shape, x.stride()), fused
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return both gradients."""
        out, x = ctx.saved_tensors
        fused: Fused = ctx.fused
        if out is not None:
            gradient = fused.activation.gradient(gradient, out)
        first = None
        if ctx.needs_input_grad[0]:
            first = fused.backward(gradient, *ctx.place)
            if x is not None:
                first = fused.before.gradient(first, x, in_place=not torch.is_grad_enabled())
        return first, gradient if ctx.needs_input_grad[1] else None, None


def can_fuse() -> bool:
    """Return whether this build of torch has oneDNN's convolution with an activation."""
    available = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    return bool(available) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def turned(weight: Tensor, layout: Layout) -> Tensor | None:
    """Return weights with which a convolution computes the gradient of the input.

    None where torch's own gradient is as fast: for all but those of 1x1 pixels and those of single
    channels, of stride 1.
    """
    stride, padding, dilation, groups = layout
    if (stride, dilation) != ((1, 1), (1, 1)):
        return None
    last = torch.channels_last
    if any(pad >= size for pad, size in zip(padding, weight.shape[2:], strict=True)):
        return None
    if weight.shape[1] == 1 and groups == weight.shape[0] > 1:
        return weight.flip(2, 3).contiguous(memory_format=last)
    if groups == 1 and weight.shape[2:] == (1, 1):
        return weight.transpose(0, 1).contiguous(memory_format=last)
    return None


def _is_known(x: Tensor) -> bool:
    plain = type(x) is Tensor and x.device.type == "cpu" and x.dtype == torch.float32
    return plain and x.ndim == 4 and not torch.is_autocast_enabled("cpu")
