"""A state dict put into a network: prefixes removed, what may be missing, what must not change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from estimators.errors import InputError
from estimators.networks.files.contents import COUNTERS

# parts that wrappers add to names, at the front or within: DataParallel and AveragedModel,
# torch.compile, Lightning, classes that hold the network, and `networks.programs`
_WRAPPERS = {"module", "_orig_mod", "model", "net", "network", "program"}
_FAULTS, _SHOWN = ("missing", "not in the network", "of another shape"), 3


def load_into(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> str:
    """Put weights into a network; return what changes by that, "" for nothing.

    Parts of names that wrappers add are removed or added. Counters that no output depends on
    (`num_batches_tracked`, `n_averaged`) may be missing or left over, and so may the second name of
    a tensor that a network has under two. Weights of another precision become the network's.

    Raises InputError that names the first few weights that are missing, left over, of another
    shape, or of a kind that cannot become the network's, and two that differ where the network has
    one tensor under both names.
    """
    expected: dict[str, torch.Tensor] = network.state_dict()
    state = _renamed(state, expected)
    missing = [k for k in expected if k not in state and not _spare(k)]
    missing = [k for k in missing if not _tied(expected, k, state)]
    extra = [k for k in state if k not in expected and not _spare(k)]
    other = [
        f"{k} {list(state[k].shape)}, expected {list(v.shape)}"
        for k, v in expected.items()
        if k in state and not is_lazy(v) and state[k].shape != v.shape
    ]
    faults = []
    for names, fault in zip((missing, extra, other), _FAULTS, strict=True):
        if names:
            faults.append(f"{fault}: {_first(names)}")
    if faults:
        raise InputError(f"{where}: does not fit the network; {'; '.join(faults)}")
    state = {k: _real(tensor, k, where) for k, tensor in state.items() if k in expected}
    for name, tensor in state.items():
        if expected[name].is_floating_point() and not tensor.is_floating_point():
            raise InputError(f"{where}: {name} is {_kind(tensor)}, expected floating point")
    _check_ties(expected, state, where)
    network.load_state_dict(state, strict=False)
    return _changes(network, state)


def _renamed(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> Mapping[str, torch.Tensor]:
    """Return the state under the network's names, where these differ by wrappers alone."""
    if all(name in expected or _spare(name) for name in state):
        return state
    ours = {_unwrapped(name): name for name in expected}
    renamed = {ours.get(_unwrapped(name), _unwrapped(name)): t for name, t in state.items()}
    if len(ours) < len(expected) or len(renamed) < len(state):
        return state
    return renamed


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _spare(name: str) -> bool:
    return name.rpartition(".")[2] in COUNTERS


def _tied(expected: Mapping[str, torch.Tensor], name: str, state: Mapping[str, object]) -> bool:
    """Return whether the network has a tensor under another name too, which is given."""
    one = expected[name]
    if is_lazy(one):
        return False
    return any(
        one.data_ptr() == other.data_ptr() and one.shape == other.shape
        for k, other in expected.items()
        if k in state and not is_lazy(other)
    )


def _check_ties(
    expected: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], where: str
) -> None:
    """Raise InputError for two values of one tensor, of which the last would win."""
    first: dict[tuple[object, ...], str] = {}
    for name in state:
        own = expected[name]
        if is_lazy(own) or _spare(name):
            continue
        twin = first.setdefault((own.data_ptr(), own.shape, own.stride(), own.dtype), name)
        if twin == name:
            continue
        one, other = (state[k].to(own.dtype) for k in (twin, name))
        # NaN equals NaN here; what becomes of it is left to the checks of the outputs
        if not bool(((one == other) | ((one != one) & (other != other))).all()):
            raise InputError(
                f"{where}: {twin} and {name} differ, but are one tensor in the network; build the"
                " network with two, or keep one of them in the file"
            )


def _real(tensor: torch.Tensor, name: str, where: str) -> torch.Tensor:
    """Return a plain tensor of real numbers; its size is that of the network's by now."""
    if tensor.is_complex() or tensor.layout != torch.strided or tensor.is_nested:
        raise InputError(f"{where}: {name} is {_kind(tensor)}, expected a dense tensor of reals")
    if tensor.is_meta:
        raise InputError(f"{where}: {name} has no values (device meta)")
    return tensor.dequantize() if tensor.is_quantized else tensor


def _changes(network: nn.Module, state: Mapping[str, torch.Tensor]) -> str:
    """Return which dtypes lose digits in the network, as it will be used: in float32."""
    lost = []
    for name, tensor in network.state_dict().items():
        given = state.get(name)
        if given is not None and given.is_floating_point():
            back = tensor.detach().float().to(given.dtype)
            if given.dtype == torch.float64 and not torch.equal(back, given):
                lost.append(name)
    return f"float64 rounded to float32: {_first(lost)}" if lost else ""


def _kind(tensor: torch.Tensor) -> str:
    layout = "" if tensor.layout == torch.strided else f" {str(tensor.layout).partition('.')[2]}"
    return f"{str(tensor.dtype).partition('.')[2]}{layout}"


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
