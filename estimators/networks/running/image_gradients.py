"""Backward passes to the images alone, which need a third of the memory of torch's own.

With frozen weights the gradient of a convolution needs its weights and the shape of its input. So
does that of a batch norm in evaluation mode. torch keeps the input itself all the same, since the
gradient of the weights would need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, Union

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# images up to this size need little memory, and calls through Python cost them more than they gain
SMALL_PIXELS = 32 * 32

# Union: `|` does not take a subscripted name at run time
Pair = Union[int, tuple[int, int]]  # noqa: UP007


class Layout(NamedTuple):
    """How a convolution lies on its input: its arguments behind the bias."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def image_gradients(x: Tensor) -> AbstractContextManager[object]:
    """Let the passes of a network keep less for the gradient of its images [N, C, H, W].

    Outputs and gradients have the bits of torch's own. It holds for `conv2d` and `batch_norm` of
    `torch.nn.functional`, and so for the layers that call them, where the weights ask for no
    gradient, batch norms are in evaluation mode, and neither autocast nor `torch.func` is at work.
    It does nothing for images of up to SMALL_PIXELS pixels.
    """
    small = x.ndim < 4 or x.shape[-1] * x.shape[-2] <= SMALL_PIXELS
    return nullcontext() if small or not torch.is_grad_enabled() else _Sparing()


@contextmanager
def frozen_weights(network: nn.Module) -> Iterator[None]:
    """Let the weights of a network ask for no gradient until the end of the block.

    Without it `image_gradients` has no effect on a network as its user hands it over.
    """
    asking = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in asking:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in asking:
            weight.requires_grad_(True)


class _Sparing(TorchFunctionMode):
    """Takes the calls of `conv2d` and `batch_norm` in this thread."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        taken: Callable[..., Any] = _IN_PLACE_OF.get(func, func)
        return taken(*args, **(kwargs or {}))


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str) or not spares(input, weight, bias):
        return functional.conv2d(input, weight, bias, stride, padding, dilation, groups)
    pairs = (_pair(value) for value in (stride, padding, dilation))
    result: Tensor = Convolution.apply(input, weight, bias, *pairs, groups)
    return result


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    statistics = running_mean, running_var, weight, bias
    if training or running_mean is None or not spares(input, *statistics):
        return functional.batch_norm(input, *statistics, training, momentum, eps)
    result: Tensor = NativeBatchNorm.apply(input, *statistics, eps)
    return result


_IN_PLACE_OF: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.conv2d: _conv2d,
    functional.batch_norm: _batch_norm,
}


class Convolution(torch.autograd.Function):
    """`conv2d` that keeps its weights; named as the function of torch that it stands for."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *parameters: Any
    ) -> Tensor:
        """Return the convolution; parameters: stride, padding, dilation, groups."""
        ctx.save_for_backward(weight)
        ctx.layout, ctx.parameters = (x.shape, x.stride()), parameters
        return functional.conv2d(x, weight, bias, *parameters)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the input."""
        (weight,) = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.parameters
        # its values are not read, and memory that is not written takes no pages
        like = torch.empty_strided(*ctx.layout, dtype=gradient.dtype, device=gradient.device)
        passed = torch.ops.aten.convolution_backward(
            gradient, like, weight, None, stride, padding, dilation, False, [0, 0], groups,
            [True, False, False],
        )  # fmt: skip
        return (passed[0], *[None] * 6)


class NativeBatchNorm(torch.autograd.Function):
    """`batch_norm` in evaluation mode that keeps its statistics and weights."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None,
        bias: Tensor | None, eps: float,
    ) -> Tensor:  # fmt: skip
        """Return the normalised input."""
        ctx.save_for_backward(mean, var, weight)
        ctx.eps = eps
        return functional.batch_norm(x, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the input."""
        mean, var, weight = ctx.saved_tensors
        # the values of the input count for the gradients of weights only
        passed = torch.ops.aten.native_batch_norm_backward(
            gradient, gradient.detach(), weight, mean, var, None, None, False, ctx.eps,
            [True, False, False],
        )  # fmt: skip
        return (passed[0], *[None] * 5)


def spares(input: Tensor, *others: Tensor | None) -> bool:
    """Return whether a call may keep less: nothing but its input needs a gradient."""
    plain = all(type(t) is Tensor or isinstance(t, torch.nn.Parameter) for t in (input, *others)
                if t is not None)  # fmt: skip
    frozen = not any(t is not None and t.requires_grad for t in others)
    return (
        plain
        and frozen
        and input.requires_grad
        and input.ndim == 4
        and not torch.is_autocast_enabled(input.device.type)
        and not torch._C._are_functorch_transforms_active()
    )


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
