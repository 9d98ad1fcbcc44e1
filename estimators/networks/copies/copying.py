"""Copies of networks, those included whose weights are computed again at each pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.networks.copies.closures import held_by, twins
from estimators.plugins import describe_error


def copied(network: nn.Module, name: str = "") -> nn.Module:
    """Return a copy that shares no tensor with a network.

    A tensor that is the result of a computation, as the weight of a pruned or weight-normalised
    layer, is copied by its value: torch's own `deepcopy` refuses it. A function that holds modules
    of the network, as a hook with `self` in its closure, holds those of the copy. What else
    functions reach stays shared (`sharing.shared_state`).

    name: of the network, for messages. Raises InputError for a network that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for tensor in _computed(network):
        memo[id(tensor)] = tensor.detach().clone()
    try:
        with contained(), torch.no_grad():
            # the weights of a ScriptModule would get a history
            finish = twins(network, memo)
            twin = copy.deepcopy(network, memo)
            finish()
            return twin
    except Exception as error:
        # external code may hold anything: locks, open files, generators
        raise InputError(
            f"network {name or type(network).__name__}: cannot be copied"
            f" ({describe_error(error)}); keep what cannot be copied out of the module"
        ) from error


def _computed(network: nn.Module) -> Iterator[torch.Tensor]:
    """Yield the tensors with a history that modules hold as attributes, also in containers."""
    for thing in held_by(network):
        if isinstance(thing, torch.Tensor) and not thing.is_leaf:
            yield thing
