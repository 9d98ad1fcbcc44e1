"""What functions and methods in a network's `forward` become, as `layers` has it for modules."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.certificates.layers import (
    Shape,
    Unsupported,
    adaptive_average_pool,
    as_shape,
    average_pool,
    convolved,
    max_pool,
    relu,
    same,
)
from benchmark.certificates.steps import Dense, Positive, Scale, Step, expanded, mean_over


@dataclass(frozen=True)
class Call:
    """A call whose first input is a value of the network.

    shape, out: shapes of that value and of the result without the batch.
    args: the arguments, None in the place of that value. kwargs: by name.
    place: which of the arguments that value is.
    """

    shape: Shape
    out: Shape
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: int

    def options(self, **defaults: Any) -> SimpleNamespace:
        """Return what follows the first argument, by name and in the order of the defaults."""
        given = dict(zip(defaults, self.args[1:], strict=False))
        return SimpleNamespace(**{**defaults, **given, **self.kwargs})

    def other(self) -> Tensor:
        """Return the constant of an arithmetic call, as it broadcasts behind the batch."""
        constant = self.args[1 - self.place] if len(self.args) == 2 and not self.kwargs else None
        if isinstance(constant, (int, float)):
            return torch.tensor(float(constant), dtype=torch.float64)
        if not isinstance(constant, Tensor) or self.out != self.shape:
            raise Unsupported("its other argument is no constant")
        value = constant.detach()
        if value.dim() == len(self.shape) + 1:
            if len(value) != 1:
                raise Unsupported("its constant differs between images")
            value = value[0]
        return value


def _reshaped(call: Call) -> list[Step]:
    return [as_shape(call.shape, call.out)]


def _expanded(call: Call) -> list[Step]:
    if len(call.shape) != len(call.out):
        raise Unsupported("it adds a dimension")
    if len(call.shape) == 3 and call.shape[1:] == call.out[1:]:
        copies = torch.ones(call.out[0], 1, 1, 1, dtype=torch.float64)
        how = (1, 1), (0, 0), (0, 0), (1, 1)
        if call.shape[0] == 1:
            return [convolved(call.shape, copies, None, *how, 1)]
    return [Positive(call.shape, None, partial(expanded, shape=call.out), moves=True)]


def _mean(call: Call) -> list[Step]:
    options = call.options(dim=None, keepdim=False)
    dims = options.dim if isinstance(options.dim, (tuple, list)) else (options.dim,)
    if None in dims:
        raise Unsupported("it averages over images")
    axes = tuple(d % (len(call.shape) + 1) for d in dims)
    if 0 in axes:
        raise Unsupported("it averages over images")
    return [Positive(call.shape, None, partial(mean_over, dims=axes, keep=bool(options.keepdim)))]


def _added(call: Call) -> list[Step]:
    return [Scale(call.shape, call.other(), _one())]


def _subtracted(call: Call) -> list[Step]:
    other = call.other()
    if call.place == 0:
        return [Scale(call.shape, -other, _one())]
    return [Scale(call.shape, other, -_one())]


def _multiplied(call: Call) -> list[Step]:
    return [Scale(call.shape, None, call.other())]


def _divided(call: Call) -> list[Step]:
    if call.place != 0:
        raise Unsupported("a constant divided by it")
    return [Scale(call.shape, None, 1 / call.other().double())]


def _negated(call: Call) -> list[Step]:
    return [Scale(call.shape, None, -_one())]


def _linear(call: Call) -> list[Step]:
    options = call.options(weight=None, bias=None)
    return [Dense(call.shape, _constant(options.bias), _weight(options.weight))]


def _conv2d(call: Call) -> list[Step]:
    o = call.options(weight=None, bias=None, stride=1, padding=0, dilation=1, groups=1)
    if isinstance(o.padding, str):
        raise Unsupported(f"padding={o.padding!r}")
    how = o.stride, o.padding, o.padding, o.dilation, o.groups
    return [convolved(call.shape, _weight(o.weight), _constant(o.bias), *how)]


def _max_pool(call: Call) -> list[Step]:
    known = dict(kernel_size=1, stride=None, padding=0, dilation=1, ceil_mode=False)
    return max_pool(call.options(**known, return_indices=False), call.shape)


def _average_pool(call: Call) -> list[Step]:
    known = dict(kernel_size=1, stride=None, padding=0, ceil_mode=False, count_include_pad=True)
    return average_pool(call.options(**known, divisor_override=None), call.shape)  # type: ignore[arg-type]


def _adaptive_average_pool(call: Call) -> list[Step]:
    return adaptive_average_pool(call.options(output_size=1), call.shape)


def _dropout(call: Call) -> list[Step]:
    if call.options(p=0.5, training=True).training:
        raise Unsupported("in training mode")
    return []


def _as_layer(reader: Callable[[Any, Shape], list[Step]]) -> Callable[[Call], list[Step]]:
    return lambda call: reader(None, call.shape)


# by function, or by the name of a tensor's method
CALLS: dict[Any, Callable[[Call], list[Step]]] = {
    functional.relu: _as_layer(relu),
    torch.relu: _as_layer(relu),
    "relu": _as_layer(relu),
    functional.linear: _linear,
    functional.conv2d: _conv2d,
    functional.max_pool2d: _max_pool,
    torch.max_pool2d: _max_pool,
    functional.avg_pool2d: _average_pool,
    functional.adaptive_avg_pool2d: _adaptive_average_pool,
    functional.dropout: _dropout,
    functional.dropout2d: _dropout,
    torch.mean: _mean,
    "mean": _mean,
    "contiguous": _as_layer(same),
    "clone": _as_layer(same),
    "float": _as_layer(same),
    "expand": _expanded,
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze), _reshaped),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), _reshaped),
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _added),
    **dict.fromkeys((operator.sub, torch.sub, "sub"), _subtracted),
    **dict.fromkeys((operator.mul, torch.mul, "mul"), _multiplied),
    **dict.fromkeys((operator.truediv, torch.div, "div"), _divided),
    **dict.fromkeys((operator.neg, torch.neg, "neg"), _negated),
}
# calls of two values of the network
SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")


def read_call(target: Any, call: Call) -> list[Step]:
    """Return the steps of a call; Unsupported where it has no bounds here."""
    reader = CALLS.get(target)
    if reader is None:
        raise Unsupported("no bounds for it")
    return reader(call)


def _one() -> Tensor:
    return torch.ones((), dtype=torch.float64)


def _constant(value: Any) -> Tensor | None:
    return None if value is None else _weight(value)


def _weight(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unsupported("its weights are no constants")
    return value.detach()
