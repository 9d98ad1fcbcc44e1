"""The layers of a network, their output shapes and parameters."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import nn

from estimators.networks.architectures import IdentityBlock
from estimators.networks.running.guarded import guarded


class LayerRow(TypedDict):
    """One layer: the name of its class, its output shape without the batch, its parameters."""

    layer: str
    output_shape: tuple[int, ...]
    parameters: int


def layer_table(network: nn.Module, shape: tuple[int, int, int]) -> list[LayerRow]:
    """Return one row per layer in the order of execution: layer, output shape, parameters.

    Parameters are counted as in Keras: the running statistics of a batch norm are parameters that
    do not train. A block (IdentityBlock) is one row, as in the paper's Figure 31.
    """
    rows: list[LayerRow] = []

    def note(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        trainable, fixed = count_parameters(module)
        name, out = type(module).__name__, tuple(output.shape[1:])
        rows.append({"layer": name, "output_shape": out, "parameters": trainable + fixed})

    called = guarded(network, shape)
    hooks = [m.register_forward_hook(note) for m in _layers(network)]
    with torch.no_grad():
        called(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return rows


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return trainable and other parameters; running statistics count as in Keras."""
    parameters = list(module.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    statistics = sum(b.numel() for b in module.buffers() if b.is_floating_point())
    return trainable, frozen + statistics


def _layers(module: nn.Module) -> list[nn.Module]:
    children = list(module.children())
    if not children or isinstance(module, IdentityBlock):
        return [module]
    return [layer for child in children for layer in _layers(child)]
