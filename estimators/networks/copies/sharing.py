"""What copies of a network share all the same: things that its hooks and methods reach outside."""

from __future__ import annotations

import dis
import enum
import functools
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from estimators.networks.copies.closures import content_of, functions_in

KINDS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# packages whose functions keep nothing from a pass; the standard library's do not either
_TRUSTED = {"torch", "estimators", "numpy", "builtins", *sys.stdlib_module_names}
_FIXED = (bool, int, float, complex, str, bytes, range, slice, enum.Enum, torch.dtype, torch.device)
_ARRAYS = (torch.Tensor, np.ndarray)
# things that are looked at, at most
_MOST = 1000


@dataclass(frozen=True)
class _Name:
    """A name outside a function, to which the function gives other values."""

    value: Callable[[], Any]


@dataclass(frozen=True)
class _Space:
    """A class or module, to which a function that sets some attribute may give others."""

    of: type | ModuleType


_WRITTEN = (dict, list, set, *_ARRAYS, _Name, _Space)


def shared_state(network: nn.Module, run: Callable[[], object]) -> str:
    """Return what keeps state that copies of a network share; an empty text where nothing does.

    A hook that reaches a container or an object outside the network counts whether or not it is
    seen to write, since it may write under a condition. Tensors that it reaches, and what methods
    reach, count where a pass changes them.

    run: a pass of the network or of a copy, forward and backward.
    """
    parts = set(map(id, network.modules()))
    watched: dict[str, list[Any]] = {}
    for name, hook in hooks_of(network).items():
        watched[name] = list(reached(hook, parts))
        if any(not isinstance(thing, (*_ARRAYS, _Space)) for thing in watched[name]):
            return name
    seen: set[int] = set()
    for function in dict.fromkeys([*functions_in(network), *_methods(network)]):
        things = [t for t in reached(function, parts, seen) if isinstance(t, _WRITTEN)]
        watched.setdefault(f"`{_label(function)}`", []).extend(things)
    if not any(watched.values()):
        return ""
    before = {name: [*map(_content, things)] for name, things in watched.items()}
    run()
    for name, things in watched.items():
        if any(map(_differ, before[name], map(_content, things))):
            return name
    return ""


def hooks_of(network: nn.Module) -> dict[str, Any]:
    """Return the hooks of all modules that are not torch's, by what a message calls them."""
    found = {}
    of_all = vars(nn.modules.module)
    spaces = [(f"layer {name or '(the whole)'}", vars(m)) for name, m in network.named_modules()]
    spaces.append(("all modules", {kind: of_all.get(f"_global{kind}") for kind in KINDS}))
    for place, space in spaces:
        for kind in KINDS:
            for hook in (space.get(kind) or {}).values():
                if not _is_trusted(_code_of(hook)):
                    found[f"the hook `{_label(hook)}` of {place}"] = hook
    return found


def reached(call: Any, parts: Collection[int], seen: set[int] | None = None) -> Iterator[Any]:
    """Yield what a callable reaches outside a network and may change, within _MOST things.

    Attributes of callable objects are left out: a copy of a network copies them.

    parts: the ids of the network's modules, which a copy has of its own. seen: the ids of what
    was reached before, which is left out.
    """
    seen = set() if seen is None else seen
    waiting: list[Any] = [_code_of(call)]
    while waiting and len(seen) < _MOST:
        thing = waiting.pop()
        if id(thing) in seen or id(thing) in parts:
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            if not _is_trusted(thing):
                waiting += _used(thing)
        elif isinstance(thing, (MethodType, functools.partial)):
            waiting += [_code_of(thing)]
            waiting += [thing.__self__] if isinstance(thing, MethodType) else thing.args
        elif isinstance(thing, weakref.ref):
            waiting.append(thing())
        elif isinstance(thing, (tuple, frozenset)):
            waiting += thing
        elif not _is_fixed(thing):
            yield thing
            if isinstance(thing, dict):
                waiting += thing.values()
            elif isinstance(thing, (list, set)):
                waiting += thing


def _used(function: FunctionType) -> Iterator[Any]:
    """Yield the values outside itself that a function uses."""
    codes = list(_codes(function.__code__))
    names = {name for code in codes for name in code.co_names}
    steps = [step for code in codes for step in dis.get_instructions(code)]
    own = function.__globals__
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for step in steps:
        name = step.argval
        if step.opname == "STORE_GLOBAL":
            yield _Name(functools.partial(own.get, name))
        elif step.opname == "STORE_DEREF" and name in cells:
            yield _Name(functools.partial(content_of, cells[name]))
    writes = "setattr" in names or any(step.opname == "STORE_ATTR" for step in steps)
    values = [content_of(cell) for cell in cells.values()]
    values += function.__defaults__ or ()
    values += (function.__kwdefaults__ or {}).values()
    values += [own[name] for name in names if name in own]
    for value in values:
        if isinstance(value, (type, ModuleType)):
            if _is_trusted(value):
                continue
            if writes:
                yield _Space(value)
            # `state.KEPT["a"] = o` of an imported module, or of a class
            space = vars(value)
            found = [space[name] for name in names if name in space]
            yield from (v for v in found if not isinstance(v, (type, ModuleType, property)))
        else:
            yield value


def _methods(network: nn.Module) -> Iterator[FunctionType]:
    """Yield the methods that `forward` of modules calls, where it is not torch's or ours."""
    for kind in dict.fromkeys(type(module) for module in network.modules()):
        names, waiting = set(), ["forward"]
        while waiting:
            name = waiting.pop()
            method = getattr(kind, name, None)
            if name in names or not isinstance(method, FunctionType) or _is_trusted(method):
                continue
            names.add(name)
            yield method
            waiting += [name for code in _codes(method.__code__) for name in code.co_names]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _code_of(call: Any) -> Any:
    """Return the function that runs where something is called."""
    while isinstance(call, (functools.partial, MethodType)):
        call = call.func if isinstance(call, functools.partial) else call.__func__
    if isinstance(call, (FunctionType, BuiltinFunctionType, type)):
        return call
    own = getattr(type(call), "__call__", None)  # noqa: B004 - the function itself is wanted
    return own if isinstance(own, FunctionType) else call


def _label(hook: Any) -> str:
    code = _code_of(hook)
    return str(getattr(code, "__qualname__", type(hook).__name__)).replace("<locals>.", "")


def _is_trusted(thing: Any) -> bool:
    """Return whether a function, class or module is of a package that keeps nothing."""
    home = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    return str(home or "builtins").partition(".")[0] in _TRUSTED


def _is_fixed(thing: Any) -> bool:
    """Return whether a value cannot be changed, or is none that a pass would keep results in."""
    if thing is None or isinstance(thing, (*_FIXED, BuiltinFunctionType, type, ModuleType)):
        return True
    # a cache of functools gives every thread the same; loggers and locks are made for threads
    named = f"{type(thing).__module__}.{type(thing).__qualname__}"
    return named.startswith(("functools.", "logging.", "_thread.", "re.", "typing."))


def _content(thing: Any) -> tuple[Any, ...]:
    """Return what tells whether a thing was changed; it holds the values, so that ids stay."""
    if isinstance(thing, torch.Tensor):
        return () if thing.is_inference() else (thing._version,)
    if isinstance(thing, np.ndarray):
        return (thing.tobytes() if thing.dtype != object else None,)
    if isinstance(thing, _Name):
        return (thing.value(),)
    if isinstance(thing, _Space):
        return _content(dict(vars(thing.of)))
    if isinstance(thing, dict):
        return (*thing.keys(), *thing.values())
    return tuple(thing)


def _differ(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Return whether values are other objects, or other numbers."""
    if len(before) != len(after):
        return True
    plain = (bool, int, float, str, bytes)
    return any(
        a is not b and not (isinstance(a, plain) and type(a) is type(b) and a == b)
        for a, b in zip(before, after, strict=True)
    )
