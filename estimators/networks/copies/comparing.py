"""Whether a copy of a network computes what the network computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.networks.copies.closures import functions_in
from estimators.networks.copies.copying import copied
from estimators.networks.copies.sharing import hooks_of, reached
from estimators.networks.running.silence import silenced

# images of a batch
PROBED = 2
# a copy computes the same sums; another layout of its memory may round them differently
ROUNDING = 1e-3


def check_copies(network: nn.Module, shape: tuple[int, int, int], name: str) -> None:
    """Raise InputError where a copy of a network gives other outputs than the network itself.

    Only networks with hooks or functions are run, since only those reach outside a copy: in
    evaluation mode, on two batches, so that what is left from another batch shows. They are left
    as they were. Networks that raise, or whose outputs differ each time, are left to other checks.

    shape: of an image, [C, H, W]. name: of the network, for messages.
    """
    hooks = hooks_of(network)
    if not hooks and next(functions_in(network), None) is None:
        return
    trial = copied(network, name)
    batches = probes(network, shape)
    with torch.random.fork_rng(devices=[]), _left_as_it_was(network), _left_as_it_was(trial):
        # the copy comes first: what the network keeps from a batch would help it
        twin = [_output(trial, x) for x in batches]
        own = [_output(network, x) for x in batches]
        again = [_output(network, x) for x in batches]
    if any(out is None for out in own) or any(map(_differ, own, again)):
        return
    if any(map(_differ, own, twin)):
        parts = set(map(id, network.modules()))
        guilty = [text for text, hook in hooks.items() if any(reached(hook, parts))]
        what = next(iter([*guilty, *hooks]), "a function that it holds")
        raise InputError(
            f"network {name}: a copy of it gives other outputs than the network itself, since"
            f" {what} reaches outside the copy; let it write into the module that it is called"
            " with, its first argument"
        )


def probes(network: nn.Module, shape: tuple[int, int, int]) -> list[torch.Tensor]:
    """Return two batches of PROBED random images where the weights of a network are."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2 * PROBED, *shape, generator=generator)
    first = next((p for p in network.parameters() if p.is_floating_point()), x)
    return list(x.to(first.device, first.dtype).split(PROBED))


def _output(network: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """Return what a network gives for images; None where it raises or gives no tensor."""
    try:
        with contained(), silenced(), torch.no_grad():
            out = network(x.clone())
    except Exception:
        # external code may raise anything
        return None
    return out.detach().clone().float() if isinstance(out, torch.Tensor) else None


def _differ(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Return whether outputs differ by more than rounding; those that are no numbers agree."""
    if one is None or other is None:
        return one is not other
    if one.shape != other.shape:
        return True
    off, scale = float((one - other).abs().max()), float(one.abs().max())
    return off > ROUNDING * scale and math.isfinite(off)


@contextmanager
def _left_as_it_was(network: nn.Module) -> Iterator[None]:
    """Set evaluation mode until the end of the block, and restore what passes change."""
    # the flags alone: modules override train(), which may rebuild them
    spaces = [vars(module) for module in network.modules()]
    parts = set(map(id, network.modules()))
    outside = [thing for hook in hooks_of(network).values() for thing in reached(hook, parts)]
    inside = [value for space in spaces for value in space.values()]
    held = [(t, t.copy()) for t in [*spaces, *inside, *outside] if type(t) in (dict, list)]
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    for space in spaces:
        space["training"] = False
    try:
        yield
    finally:
        for thing, content in held:
            _restore(thing, content)
        with torch.no_grad():
            for buffer, values in buffers:
                # an unchanged one keeps its version, for a pass that is not over
                if not torch.equal(buffer, values):
                    buffer.copy_(values)


def _restore(thing: Any, content: Any) -> None:
    thing.clear()
    thing.update(content) if isinstance(thing, dict) else thing.extend(content)
