"""Activations that oneDNN applies to the result of a convolution before it is written."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Activation(NamedTuple):
    """An activation as oneDNN knows it.

    name: `none`, `relu`, `hardtanh`, `swish` or `hardswish`.
    limits: the smallest and the largest value of `hardtanh`.
    """

    name: str
    limits: tuple[float, ...] = ()

    @property
    def shows(self) -> bool:
        """Return whether its result tells which gradients it passes."""
        return self.name in ("none", "relu", "hardtanh")

    def of(self, x: Tensor) -> Tensor:
        """Return the activation of a tensor, by torch's own functions."""
        if self.name == "none":
            return x
        if self.name == "hardtanh":
            low, high = self.limits
            return functional.hardtanh(x, low, high)
        own = {"relu": functional.relu, "swish": functional.silu, "hardswish": functional.hardswish}
        result: Tensor = own[self.name](x)
        return result

    def gradient(self, gradient: Tensor, out: Tensor, in_place: bool = False) -> Tensor:
        """Return the gradient before an activation that `shows`, from its result.

        in_place: write it into the gradient.
        """
        aten = torch.ops.aten
        call, values = aten.hardtanh_backward, self.limits
        if self.name == "relu":
            call, values = aten.threshold_backward, (0,)
        result: Tensor
        if in_place:
            result = call.grad_input(gradient, out, *values, grad_input=gradient)
        else:
            result = call(gradient, out, *values)
        return result


NONE, RELU = Activation("none"), Activation("relu")
RELU6 = Activation("hardtanh", (0.0, 6.0))
SWISH, HARDSWISH = Activation("swish"), Activation("hardswish")
