"""The exact steps of a network: affine maps with their adjoints, ReLU, max pooling, sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Pair = tuple[int, int]
S = TypeVar("S", bound="Step")


@dataclass(frozen=True, eq=False)
class Step:
    """One step; `shape` is that of its input without the batch."""

    shape: tuple[int, ...]

    def to(self: S, device: str | torch.device) -> S:
        """Return the step with its tensors in float64 on a device."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if isinstance(value, Tensor):
                values[name] = value.double().to(device)
        return replace(self, **values)


@dataclass(frozen=True, eq=False)
class Affine(Step, ABC):
    """A map x -> W x + bias.

    bias: broadcasts to the output without the batch; None for zero.
    mixes: an output depends on several inputs.
    """

    bias: Tensor | None
    mixes = True

    @abstractmethod
    def linear(self, x: Tensor) -> Tensor:
        """Return W x for x [N, *shape]."""

    @abstractmethod
    def spread(self, radius: Tensor) -> Tensor:
        """Return |W| radius, with the absolute values of the weights."""

    @abstractmethod
    def adjoint(self, a: Tensor) -> Tensor:
        """Return W^T a [N, *shape] for coefficients a of the outputs."""

    def shifted(self, out: Tensor) -> Tensor:
        """Return an output plus the bias."""
        return out if self.bias is None else out + self.bias

    def constant(self, a: Tensor) -> Tensor:
        """Return the sum of a times the bias over each row [N]."""
        if self.bias is None:
            return a.new_zeros(len(a))
        return (a * self.bias).flatten(1).sum(1)


@dataclass(frozen=True, eq=False)
class Dense(Affine):
    """A linear layer; weight is [out, in], and inputs are [N, ..., in]."""

    weight: Tensor

    def linear(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight)

    def spread(self, radius: Tensor) -> Tensor:
        return functional.linear(radius, self.weight.abs())

    def adjoint(self, a: Tensor) -> Tensor:
        return a @ self.weight


@dataclass(frozen=True, eq=False)
class Convolution(Affine):
    """A 2D convolution with zeros around the image; bias is [out, 1, 1].

    weight, stride, dilation, groups: as in `torch.nn.functional.conv2d`.
    before, after: rows and columns of zeros.
    """

    weight: Tensor
    stride: Pair = (1, 1)
    before: Pair = (0, 0)
    after: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def linear(self, x: Tensor) -> Tensor:
        return self._convolved(x, self.weight)

    def spread(self, radius: Tensor) -> Tensor:
        return self._convolved(radius, self.weight.abs())

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        padding = self.before
        if self.before != self.after:
            x, padding = functional.pad(x, _sides(self.before, self.after)), (0, 0)
        return functional.conv2d(x, weight, None, self.stride, padding, self.dilation, self.groups)

    def adjoint(self, a: Tensor) -> Tensor:
        how = self.stride, 0, 0, self.groups, self.dilation
        return trimmed(functional.conv_transpose2d(a, self.weight, None, *how), self)


@dataclass(frozen=True, eq=False)
class Scale(Affine):
    """A factor per value: batch norm in evaluation, normalisation, arithmetic with constants.

    scale: broadcasts to the output without the batch, which has the shape of the input.
    """

    scale: Tensor
    mixes = False

    def linear(self, x: Tensor) -> Tensor:
        return x * self.scale

    def spread(self, radius: Tensor) -> Tensor:
        return radius * self.scale.abs()

    def adjoint(self, a: Tensor) -> Tensor:
        return a * self.scale


@dataclass(frozen=True, eq=False)
class Positive(Affine):
    """A linear map without negative weights: average pooling, reshaping, copies.

    apply: the map; picklable. moves: each output is one input, such as in reshaping.
    """

    apply: Callable[[Tensor], Tensor]
    moves: bool = False

    @property
    def mixes(self) -> bool:  # type: ignore[override]
        """Whether an output depends on several inputs."""
        return not self.moves

    def linear(self, x: Tensor) -> Tensor:
        return self.apply(x)

    def spread(self, radius: Tensor) -> Tensor:
        return self.apply(radius)

    def adjoint(self, a: Tensor) -> Tensor:
        with torch.enable_grad():
            x = a.new_zeros(len(a), *self.shape, requires_grad=True)
            out = self.apply(x)
            (back,) = torch.autograd.grad(out, x, a, create_graph=a.requires_grad)
        return back


@dataclass(frozen=True, eq=False)
class Relu(Step):
    """max(x, 0) for each value."""


@dataclass(frozen=True, eq=False)
class MaxPool(Step):
    """The largest value of each window.

    kernel, stride, dilation: per axis. before, after: rows and columns of minus infinity around
    the image; those after it include what `ceil_mode` reaches beyond it.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair

    def windows(self, x: Tensor, outside: float = -torch.inf) -> Tensor:
        """Return the values [N, C, window, out] of each window of x [N, C, H, W]."""
        padded = functional.pad(x, _sides(self.before, self.after), value=outside)
        how: dict[str, Pair] = {"stride": self.stride, "dilation": self.dilation}
        flat = padded.flatten(0, 1)[:, None]
        size = self.kernel[0] * self.kernel[1]
        return functional.unfold(flat, self.kernel, **how).view(*x.shape[:2], size, -1)

    def gathered(self, windows: Tensor) -> Tensor:
        """Return the sum at each input [N, *shape] of the values of its windows."""
        sizes = tuple(
            n + b + a for n, b, a in zip(self.shape[1:], self.before, self.after, strict=True)
        )
        how: dict[str, Pair] = {"stride": self.stride, "dilation": self.dilation}
        flat = functional.fold(windows.flatten(0, 1), sizes, self.kernel, **how)
        return trimmed(flat.view(*windows.shape[:2], *sizes), self)

    def out_shape(self) -> tuple[int, ...]:
        """Return the shape of the output without the batch."""
        out = [self.shape[0]]
        for n in (0, 1):
            size = self.shape[1 + n] + self.before[n] + self.after[n]
            reach = self.dilation[n] * (self.kernel[n] - 1) + 1
            out.append((size - reach) // self.stride[n] + 1)
        return tuple(out)


@dataclass(frozen=True, eq=False)
class Add(Step):
    """The sum of two values of one shape."""


def trimmed(x: Tensor, step: Convolution | MaxPool) -> Tensor:
    """Return what lies on a step's input of values that begin where its padding does.

    Rows and columns that no window reaches become zeros.
    """
    ends = [
        n + before - have
        for n, before, have in zip(step.shape[1:], step.before, x.shape[2:], strict=True)
    ]
    starts = -step.before[0], -step.before[1]
    return functional.pad(x, _sides(starts, (ends[0], ends[1])))


def _sides(before: Pair, after: Pair) -> tuple[int, int, int, int]:
    """Return rows and columns to add as `torch.nn.functional.pad` takes them."""
    return before[1], after[1], before[0], after[0]


# maps without negative weights, by name so that they can be pickled


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return x [N, ...] as [N, *shape]."""
    return x.reshape(len(x), *shape)


def expanded(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return x [N, ...] copied to [N, *shape]."""
    return x.expand(len(x), *shape)


def cut(x: Tensor, rows: Pair, columns: Pair) -> Tensor:
    """Return some rows and columns of images, each from a start to an end."""
    return x[..., slice(*rows), slice(*columns)]


def average_pooled(x: Tensor, options: dict[str, Any]) -> Tensor:
    """Return average pooling with the options of `torch.nn.functional.avg_pool2d`."""
    return functional.avg_pool2d(x, **options)


def adaptively_averaged(x: Tensor, size: Pair) -> Tensor:
    """Return adaptive average pooling to a size."""
    return functional.adaptive_avg_pool2d(x, size)


def mean_over(x: Tensor, dims: tuple[int, ...], keep: bool) -> Tensor:
    """Return the mean over dimensions behind the batch."""
    return x.mean(dims, keepdim=keep)


def mirrored(x: Tensor, radius: int) -> Tensor:
    """Return images with mirrored borders."""
    return functional.pad(x, (radius,) * 4, mode="reflect")
