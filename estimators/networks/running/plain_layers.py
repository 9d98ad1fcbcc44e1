"""Layers that are exactly torch's or this project's: what they do is known."""

from __future__ import annotations

from torch import nn

KINDS = ("forward", "forward_pre", "backward", "backward_pre")


def is_known(network: nn.Module) -> bool:
    """Return whether a network runs nothing but layers of torch and of this project.

    Such a network leaves its images as they are, takes any memory layout and prints nothing.
    """
    return not global_hooks() and all(
        is_plain(module) and not getattr(module, "inplace", False) for module in network.modules()
    )


def is_plain(module: nn.Module) -> bool:
    """Return whether a layer is exactly one of torch or of this project, without hooks."""
    origin = type(module).__module__
    return origin.startswith(("torch.nn.modules.", "estimators.")) and not _changed(module)


def own_tensors(module: nn.Module) -> bool:
    """Return whether a plain layer has weights of its own that it computes with as they are."""
    parameters = [p for p in module._parameters.values() if p is not None]
    return is_plain(module) and all(type(p) is nn.Parameter for p in parameters)


def global_hooks() -> bool:
    """Return whether hooks are registered for the modules of all networks."""
    of_all = vars(nn.modules.module)
    return any(of_all.get(f"_global_{kind}_hooks") for kind in KINDS)


def has_hooks(module: nn.Module) -> bool:
    """Return whether hooks are registered for a layer."""
    # written out, since each pass of a network may ask
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _changed(module: nn.Module) -> bool:
    """Return whether a layer has hooks, or methods that are not those of its class."""
    own = vars(module)
    return has_hooks(module) or any(callable(getattr(type(module), name, None)) for name in own)
