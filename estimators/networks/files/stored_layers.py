"""The layers before a network that a file of `bench train` holds too: those of the spec win."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from estimators.errors import InputError

# relative difference of numbers that half precision rounds
ROUNDING = 1e-3
# what parameter of a network makes a buffer
_PARAMETERS = {"mean": "mean", "std": "std", "kernel": "low_pass"}


def keep_input_layers(
    wrapped: nn.Module, core: nn.Module, state: Mapping[str, torch.Tensor], where: str
) -> dict[str, torch.Tensor]:
    """Return a state dict with the numbers that a network has in the layers before it.

    wrapped: the network behind its normalisation and filter. core: the network itself, a part of
        `wrapped`. state: weights under the names of `wrapped`.

    Raises InputError where the file has other numbers than the network: its weights were trained
    with those.
    """
    (inner,) = (name for name, module in wrapped.named_modules() if module is core)
    own = {
        name: tensor
        for name, tensor in wrapped.state_dict().items()
        if inner and not name.startswith(f"{inner}.")
    }
    other = [name for name, tensor in own.items() if _differ(tensor, state[name])]
    if other:
        trained, given = (
            ", ".join(_text(name, values[name]) for name in other) for values in (state, own)
        )
        raise InputError(
            f"{where}: was trained with {trained}, the network has {given}; give it what the file"
            " has"
        )
    return {**state, **own}


def _differ(own: torch.Tensor, stored: torch.Tensor) -> bool:
    """Return whether numbers of one shape differ; another shape is left to the check of all."""
    if own.shape != stored.shape or not stored.is_floating_point():
        return False
    return not torch.allclose(own, stored.to(own.dtype), rtol=ROUNDING, atol=1e-6)


def _text(name: str, values: torch.Tensor) -> str:
    """Return a buffer as the parameter that makes it, such as mean=0.5."""
    parameter = _PARAMETERS[name.rpartition(".")[2]]
    if parameter == "low_pass":
        # neighbours in the middle of a Gaussian have the ratio exp(1 / (2 sigma^2))
        middle = len(values) // 2
        ratio = values[middle].double() / values[middle + 1].double()
        return f"low_pass={float((2 * ratio.log()) ** -0.5):.4g}"
    texts = [f"{float(value):.5g}" for value in values.flatten()]
    return f"{parameter}={texts[0] if len(set(texts)) == 1 else '[' + ','.join(texts) + ']'}"
