"""What each layer of a network becomes: one row per class of torch, or of this project."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.certificates.steps import (
    Convolution,
    Dense,
    MaxPool,
    Pair,
    Positive,
    Relu,
    Scale,
    Step,
    adaptively_averaged,
    average_pooled,
    mirrored,
    reshaped,
)
from estimators.networks.input_layers import LowPass

Shape = tuple[int, ...]
# a layer and the shape of its input without the batch, to its steps; none for a layer that
# returns its input
Reader = Callable[[Any, Shape], list[Step]]


class Unsupported(Exception):
    """A layer that has no bounds here; its text says what it is."""


def same(_layer: Any, _shape: Shape) -> list[Step]:
    """Read a layer that returns its input in evaluation."""
    return []


def relu(_layer: Any, shape: Shape) -> list[Step]:
    """Read a ReLU."""
    return [Relu(shape)]


def dense(layer: nn.Linear, shape: Shape) -> list[Step]:
    """Read a linear layer."""
    return [Dense(shape, _plain(layer.bias), layer.weight.detach())]


def convolution(layer: nn.Conv2d, shape: Shape) -> list[Step]:
    """Read a convolution; zeros around the image alone are supported."""
    padding: Any = layer.padding
    if layer.padding_mode != "zeros":
        raise Unsupported(f"padding_mode={layer.padding_mode!r}")
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        reach = reach if padding == "same" else [0, 0]
        before, after = (tuple((r + more) // 2 for r in reach) for more in (0, 1))
    else:
        before = after = _pair(padding)
    how = layer.stride, before, after, layer.dilation, layer.groups
    return [convolved(shape, layer.weight.detach(), _plain(layer.bias), *how)]


def convolved(shape: Shape, weight: Tensor, bias: Tensor | None, *how: Any) -> Convolution:
    """Return the step of a 2D convolution of images [C, H, W].

    how: stride, zeros before, zeros after, dilation, groups.
    """
    if len(shape) != 3:
        raise Unsupported("an input without batch")
    column = None if bias is None else bias[:, None, None]
    *pairs, groups = how
    return Convolution(shape, column, weight, *map(_pair, pairs), groups=int(groups))


def batch_norm(layer: nn.BatchNorm2d, shape: Shape) -> list[Step]:
    """Read a batch norm in evaluation: running mean and variance."""
    if layer.training or layer.running_mean is None or layer.running_var is None:
        raise Unsupported("without running statistics")
    variance = layer.running_var.double() + layer.eps
    one = torch.ones_like(variance)
    weight = one if layer.weight is None else layer.weight.detach().double()
    shift = one * 0 if layer.bias is None else layer.bias.detach().double()
    scale = weight / variance.sqrt()
    sizes = (-1, *(1 for _ in shape[1:]))
    bias = shift - layer.running_mean.double() * scale
    return [Scale(shape, bias.view(sizes), scale.view(sizes))]


def max_pool(layer: Any, shape: Shape) -> list[Step]:
    """Read max pooling, or a call with its options."""
    if len(shape) != 3:
        raise Unsupported("an input without batch")
    if getattr(layer, "return_indices", False):
        raise Unsupported("return_indices")
    kernel, padding, dilation = map(_pair, (layer.kernel_size, layer.padding, layer.dilation))
    stride = kernel if layer.stride in (None, ()) else _pair(layer.stride)
    after = padding
    if layer.ceil_mode:
        after = _more(shape, kernel, stride, padding, dilation)
    return [MaxPool(shape, kernel, stride, dilation, padding, after)]


def _more(shape: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Return the rows and columns after an image that windows reach with `ceil_mode`."""
    after = []
    for n, size in enumerate(shape[1:]):
        reach = dilation[n] * (kernel[n] - 1) + 1
        out = -(-(size + 2 * padding[n] - reach) // stride[n]) + 1
        if (out - 1) * stride[n] >= size + padding[n]:
            out -= 1  # a window must begin inside
        after.append(max(padding[n], (out - 1) * stride[n] + reach - size - padding[n]))
    return after[0], after[1]


def adaptive_max_pool(layer: Any, shape: Shape) -> list[Step]:
    """Read adaptive max pooling whose windows are all equal."""
    out = _sizes(layer.output_size, shape)
    if any(size % n for size, n in zip(shape[1:], out, strict=True)):
        raise Unsupported(f"windows of different sizes, {shape[1:]} to {out}")
    kernel: Any = tuple(size // n for size, n in zip(shape[1:], out, strict=True))
    return [MaxPool(shape, kernel, kernel, (1, 1), (0, 0), (0, 0))]


def average_pool(layer: nn.AvgPool2d, shape: Shape) -> list[Step]:
    """Read average pooling; where all windows have one size it is a convolution."""
    padding, kernel = _pair(layer.padding), _pair(layer.kernel_size)
    plain = layer.count_include_pad or padding == (0, 0)
    if len(shape) == 3 and plain and not layer.ceil_mode:
        divisor = layer.divisor_override or kernel[0] * kernel[1]
        stride = kernel if layer.stride in (None, ()) else layer.stride
        return [_averaging(shape, kernel, stride, padding, divisor)]
    options = dict(kernel_size=layer.kernel_size, stride=layer.stride, padding=layer.padding)
    options |= dict(ceil_mode=layer.ceil_mode, count_include_pad=layer.count_include_pad)
    options |= dict(divisor_override=layer.divisor_override)  # type: ignore[dict-item]
    return [Positive(shape, None, partial(average_pooled, options=options))]


def adaptive_average_pool(layer: Any, shape: Shape) -> list[Step]:
    """Read adaptive average pooling; where all windows are equal it is a convolution."""
    out = _sizes(layer.output_size, shape)
    if len(shape) == 3 and not any(n % m for n, m in zip(shape[1:], out, strict=True)):
        kernel = shape[1] // out[0], shape[2] // out[1]
        return [_averaging(shape, kernel, kernel, (0, 0), kernel[0] * kernel[1])]
    return [Positive(shape, None, partial(adaptively_averaged, size=out))]


def _averaging(shape: Shape, kernel: Pair, stride: Any, padding: Pair, divisor: int) -> Step:
    """Return average pooling as a convolution of each channel."""
    weight = torch.full((shape[0], 1, *kernel), 1 / divisor, dtype=torch.float64)
    return convolved(shape, weight, None, stride, padding, padding, (1, 1), shape[0])


def flatten(layer: nn.Flatten, shape: Shape) -> list[Step]:
    """Read a flattening behind the batch."""
    if layer.start_dim not in (1, -len(shape)):
        raise Unsupported(f"start_dim={layer.start_dim}")
    end = layer.end_dim if layer.end_dim >= 0 else layer.end_dim + len(shape) + 1
    return [as_shape(shape, (int(torch.Size(shape[:end]).numel()), *shape[end:]))]


def low_pass(layer: LowPass, shape: Shape) -> list[Step]:
    """Read this project's filter: mirrored borders, then one kernel for each channel."""
    radius, channels = layer.radius, shape[0]
    padded = (channels, *(n + 2 * radius for n in shape[1:]))
    kernel = layer.kernel.double()
    weight = (kernel[:, None] * kernel).expand(channels, 1, -1, -1)
    return [
        Positive(shape, None, partial(mirrored, radius=radius), moves=True),
        Convolution(padded, None, weight, groups=channels),
    ]


def as_shape(shape: Shape, out: Shape) -> Step:
    """Return the step that reshapes, behind the batch."""
    return Positive(shape, None, partial(reshaped, shape=tuple(out)), moves=True)


READERS: dict[type[nn.Module], Reader] = {
    nn.Linear: dense,
    nn.Conv2d: convolution,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.ReLU: relu,
    nn.MaxPool2d: max_pool,
    nn.AdaptiveMaxPool2d: adaptive_max_pool,
    nn.AvgPool2d: average_pool,
    nn.AdaptiveAvgPool2d: adaptive_average_pool,
    nn.Flatten: flatten,
    nn.Identity: same,
    nn.Dropout: same,
    nn.Dropout1d: same,
    nn.Dropout2d: same,
    LowPass: low_pass,
}


def read_layer(layer: nn.Module, shape: Shape) -> list[Step]:
    """Return the steps of one layer; Unsupported where it has no bounds here."""
    reader = READERS.get(type(layer))
    if reader is None:
        raise Unsupported("no bounds for it")
    if layer.training and isinstance(layer, (nn.modules.dropout._DropoutNd,)):
        raise Unsupported("in training mode")
    return reader(layer, shape)


def _plain(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach()


def _pair(value: Any) -> Pair:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def _sizes(value: Any, shape: Shape) -> Pair:
    """Return the output size of adaptive pooling; None stands for the input's."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    first, second = (shape[1 + n] if size is None else int(size) for n, size in enumerate(pair))
    return first, second
