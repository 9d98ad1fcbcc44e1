"""Weights of torch's lazy layers, whose shapes the first pass decides."""

from __future__ import annotations

import torch
from torch import nn

from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.networks.running.silence import silenced
from estimators.plugins import describe_error


def make_lazy_weights(network: nn.Module, shape: tuple[int, int, int], name: str) -> None:
    """Run a network in evaluation mode on two images, if it has lazy layers.

    shape: of an image [C, H, W]. name: for messages.

    Raises InputError where layers stay without weights.
    """
    if not _lazy(network):
        return
    reason = ""
    try:
        with contained(), silenced(), torch.no_grad():
            network(torch.full((2, *shape), 0.5))
    except Exception as error:
        # external code may raise anything
        reason = f" ({describe_error(error)})"
    if left := _lazy(network):
        raise InputError(
            f"network {name}: its lazy layer {left[0]} has no weights after a pass with images of"
            f" shape {list(shape)}{reason}"
        )


def _lazy(network: nn.Module) -> list[str]:
    """Return the names of the weights that have no shape yet."""
    tensors = *network.named_parameters(), *network.named_buffers()
    return [name for name, tensor in tensors if nn.parameter.is_lazy(tensor)]
