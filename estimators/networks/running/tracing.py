"""The layers of a network in the order of execution, by torch.fx."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from estimators.interrupts import contained
from estimators.networks.running.plain_layers import is_plain
from estimators.networks.running.silence import silenced

# torch.fx patches the modules of the whole process while it traces
_tracing = threading.Lock()


class Root(nn.Module):
    """The parent of a network: a trace ignores hooks and a replaced `forward` of its root."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network returns."""
        out: torch.Tensor = self.network(x)
        return out


def traced(root: Root, leaves: tuple[type[nn.Module], ...] = ()) -> fx.Graph:
    """Return the graph of a network; plain layers of torch are its nodes.

    leaves: other classes of layers that stay one node each.

    Call it only where no other thread runs a network: the trace patches the modules of the whole
    process. External code may raise anything, and so does this; EndsProgram for SystemExit.
    """
    with contained(), _tracing, silenced(), torch.random.fork_rng(devices=[]):
        return _Tracer(leaves).trace(root)


class _Tracer(fx.Tracer):
    """Follows everything but plain layers of torch into its `forward` and its hooks."""

    def __init__(self, leaves: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self.leaves = leaves

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a layer stays one node of the graph."""
        parents = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        of_torch = type(m).__module__.startswith("torch.nn.modules.")
        whole = type(m) in self.leaves or (of_torch and not isinstance(m, parents))
        return whole and is_plain(m)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Trace a call; also that of a layer without a name, as a slice of an nn.Sequential."""
        if m not in (self.submodule_paths or {}):
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)
