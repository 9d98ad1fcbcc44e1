"""A convolution with all that follows it: batch norm, the addition of a shortcut, activation.

One call of oneDNN computes it and writes its result once. The gradient of its input needs the
weights, and the result where that tells which values the activation passes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.image_gradients import Convolution, spares

Two = tuple[int, int]


class Activation(NamedTuple):
    """An activation as oneDNN knows it.

    name: `none`, `relu`, `hardtanh`, `swish` or `hardswish`.
    limits: the smallest and the largest value of `hardtanh`.
    """

    name: str = "none"
    limits: tuple[float, float] = (0.0, 0.0)

    def applied(self, x: Tensor) -> Tensor:
        """Return the activation of a tensor, by torch's own functions."""
        if self.name == "hardtanh":
            return functional.hardtanh(x, *self.limits)
        if self.name == "none":
            return x
        own = {"relu": functional.relu, "swish": functional.silu, "hardswish": functional.hardswish}
        result: Tensor = own[self.name](x)
        return result

    def backward(self, gradient: Tensor, out: Tensor | None) -> Tensor:
        """Return the gradient before an activation that `shows`, from its result."""
        if out is None:
            return gradient
        passed: Tensor
        if self.name == "relu":
            passed = torch.ops.aten.threshold_backward(gradient, out, 0)
        else:
            passed = torch.ops.aten.hardtanh_backward(gradient, out, *self.limits)
        return passed

    @property
    def shows(self) -> bool:
        """Return whether its result tells its gradient."""
        return self.name in ("none", "relu", "hardtanh")


class Geometry(NamedTuple):
    """How a convolution lies on its input.

    stride, padding, dilation: per axis. groups: of channels.
    border: zeros to add around the input before it, as `functional.pad` takes them; () for none.
    """

    stride: Two
    padding: Two
    dilation: Two
    groups: int
    border: tuple[int, ...] = ()

    @property
    def parameters(self) -> tuple[Two, Two, Two, int]:
        """Return stride, padding, dilation and groups."""
        return self.stride, self.padding, self.dilation, self.groups


class FusedConvolution(nn.Module):
    """A frozen convolution, an addition, and an activation."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, geometry: Geometry, activation: Activation
    ) -> None:
        super().__init__()
        weight = weight.detach().contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.geometry, self.activation = geometry, activation

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the activation of the convolution of x plus another tensor."""
        assert isinstance(self.weight, Tensor)
        assert self.bias is None or isinstance(self.bias, Tensor)
        if self.geometry.border:
            x = functional.pad(x, self.geometry.border)
        needs = torch.is_grad_enabled() and any(
            t is not None and t.requires_grad for t in (x, other)
        )
        constant = self.weight, self.bias, self.geometry, self.activation
        if not _is_known(x) or (other is not None and not _is_known(other)):
            return _plain(x, other, *constant)
        if not needs:
            return _fused(x, other, *constant)
        if not spares(x, self.weight, self.bias):
            return _plain(x, other, *constant)
        result: Tensor
        if self.activation.shows:
            result = _Fused.apply(x, other, *constant)
            return result
        result = Convolution.apply(x, self.weight, self.bias, *self.geometry.parameters)
        return self.activation.applied(result if other is None else result + other)


class _Fused(torch.autograd.Function):
    """The fused convolution with the gradients of its input and of what is added."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor | None,
        geometry: Geometry, activation: Activation,
    ) -> Tensor:  # fmt: skip
        out = _fused(x, other, weight, bias, geometry, activation)
        ctx.save_for_backward(weight, None if activation.name == "none" else out)
        ctx.layout, ctx.geometry, ctx.activation = (x.shape, x.stride()), geometry, activation
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, out = ctx.saved_tensors
        gradient = ctx.activation.backward(gradient, out)
        first = None
        if ctx.needs_input_grad[0]:
            # its values are not read, and memory that is not written takes no pages
            like = torch.empty_strided(*ctx.layout, dtype=gradient.dtype, device=gradient.device)
            stride, padding, dilation, groups = ctx.geometry.parameters
            first = torch.ops.aten.convolution_backward(
                gradient, like, weight, None, stride, padding, dilation, False, [0, 0], groups,
                [True, False, False],
            )[0]  # fmt: skip
        return (first, gradient if ctx.needs_input_grad[1] else None, *[None] * 4)


def can_fuse() -> bool:
    """Return whether this build of torch has oneDNN's convolution with an activation."""
    name = "_convolution_pointwise"
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, name)


def _is_known(x: Tensor) -> bool:
    plain = type(x) is Tensor and x.device.type == "cpu" and x.dtype == torch.float32
    return plain and x.ndim == 4 and torch.backends.mkldnn.enabled


def _plain(
    x: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor | None, geometry: Geometry,
    activation: Activation,
) -> Tensor:  # fmt: skip
    out = functional.conv2d(x, weight, bias, *geometry.parameters)
    return activation.applied(out if other is None else out + other)


def _fused(
    x: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor | None, geometry: Geometry,
    activation: Activation,
) -> Tensor:  # fmt: skip
    stride, padding, dilation, groups = geometry.parameters
    scalars = list(activation.limits) if activation.name == "hardtanh" else []
    common = padding, stride, dilation, groups
    call = torch.ops.mkldnn._convolution_pointwise
    out: Tensor
    if other is None:
        out = call(x, weight, bias, *common, activation.name, scalars, "")
    elif activation.name in ("none", "relu"):
        unary = None if activation.name == "none" else activation.name
        out = call.binary(x, other, weight, bias, *common, "add", 1.0, unary, [], "")
    else:
        raise AssertionError
    return out
