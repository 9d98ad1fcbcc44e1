"""What a file of weights holds: the state dicts in it, and which of them is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from estimators.errors import InputError

# levels of containers that are searched, names that a message lists, their longest text
_DEPTH, _SHOWN, _LONGEST = 5, 6, 60
# numbers that wrappers and profilers keep beside the weights; a network works without them
COUNTERS = ("num_batches_tracked", "n_averaged", "total_ops", "total_params")


class Unread:
    """Stands for an object of a pickle that was left out; its own class is never imported.

    name: dotted, of that class or function.
    whole: it is an nn.Module with weights.
    """

    name = ""
    whole = False

    def __new__(cls, *args: object, **kwargs: object) -> Unread:
        """Make one from any arguments, which are dropped."""
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Drop the arguments."""

    def __setstate__(self, state: object) -> None:
        """Drop what the object held; notice a module by its parameters or parts."""
        parts = state if isinstance(state, Mapping) else {}
        self.whole = bool(parts.get("_parameters") or parts.get("_modules"))


# a state dict, or a module that the restricted reader cannot give
State = Mapping[str, object] | Unread


def choose_state(content: object, key: str | None, where: str) -> dict[str, torch.Tensor]:
    """Return the tensors by name of the state dict that is meant.

    content: what the file holds; modules count as their state dicts.
    key: names one of several; dots lead into nested ones, numbers are positions in a list.

    Raises InputError that says what the file holds, where there is no state dict, no such key, or
    a choice that the user must make.
    """
    found = state_dicts(content)
    if not found:
        what = shortened(described(content))
        raise InputError(f"{where}: holds no state dict (got {what}); save network.state_dict()")
    meant = found if key is None else _under(found, key)
    if not meant:
        raise InputError(f"{where}: weights_key={key} names no state dict; it holds {_list(found)}")
    if len(meant) > 1:
        raise InputError(
            f"{where}: holds {len(meant)} state dicts, {_list(meant)};"
            f" name one, as in weights_key={_printable(list(meant)[-1])}"
        )
    ((path, state),) = meant.items()
    if isinstance(state, Unread):
        raise InputError(f"{where}: {path or 'it'} is a whole module ({state.name})")
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def state_dicts(content: object) -> dict[str, State]:
    """Return every state dict in nested containers, by dotted path ("" for the content itself).

    The states of optimisers and of random generators are left out.
    """
    found: dict[str, State] = {}
    seen: set[int] = set()

    def walk(value: object, path: str, depth: int) -> None:
        # a pickle may hold one container at many places
        if id(value) in seen or depth > _DEPTH:
            return
        seen.add(id(value))
        state = value.state_dict() if isinstance(value, nn.Module) else value
        if _is_state_dict(state) or (isinstance(state, Unread) and state.whole):
            found[path] = state  # type: ignore[assignment]
            return
        for name, inner in _items(state):
            walk(inner, f"{path}.{name}" if path else str(name), depth + 1)

    walk(content, "", 0)
    return found


def described(content: object) -> str:
    """Return in a few words what a value is: the keys of a dictionary, each with its kind."""
    if isinstance(content, Mapping):
        if not content:
            return "an empty dict"
        return f"a dict of {_listed(f'{_printable(k)} ({_kind(v)})' for k, v in content.items())}"
    if isinstance(content, (list, tuple)):
        return f"a {type(content).__name__} of {_listed(map(_kind, content)) or 'nothing'}"
    return _kind(content)


def shortened(text: str, longest: int = 4 * _LONGEST) -> str:
    """Return a text cut to a length."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _items(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, Mapping):
        optimiser = "state" in value and "param_groups" in value
        return () if optimiser else value.items()
    return enumerate(value) if isinstance(value, (list, tuple)) else ()


def _is_state_dict(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    others = [name for name, v in value.items() if not isinstance(v, torch.Tensor)]
    if any(name.rpartition(".")[2] not in (*COUNTERS, "_extra_state") for name in others):
        return False
    # metrics are single numbers, states of random generators are bytes
    return any(isinstance(v, torch.Tensor) and v.dim() and _of_weights(v) for v in value.values())


def _of_weights(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized


def _under(found: Mapping[str, State], key: str) -> dict[str, State]:
    if key in found:
        return {key: found[key]}
    nested = {path: state for path, state in found.items() if path.startswith(f"{key}.")}
    if nested:
        return nested
    # the names of one state dict may begin with the key
    start = f"{key}."
    parts: dict[str, State] = {}
    for path, state in found.items():
        if not isinstance(state, Unread):
            part = {n.removeprefix(start): v for n, v in state.items() if n.startswith(start)}
            parts |= {f"{path}.{key}".lstrip("."): part} if part else {}
    return parts


def _list(found: Mapping[str, State]) -> str:
    return _listed(f"{_printable(path) or 'itself'} ({_kind(s)})" for path, s in found.items())


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _kind(value: object) -> str:
    if isinstance(value, Unread):
        return shortened(_printable(value.name), _LONGEST)
    if _is_state_dict(value):
        return f"state dict of {len(value)} tensors"  # type: ignore[arg-type]
    if isinstance(value, torch.Tensor):
        return f"tensor {list(value.shape)}"
    if isinstance(value, (Mapping, list, tuple)):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _printable(value: object) -> str:
    """Return the text of a name; the file's author chose it, so terminals get no control codes."""
    text = str(value) if isinstance(value, (str, int)) else type(value).__name__
    return shortened(text if text.isprintable() else ascii(text), _LONGEST)
