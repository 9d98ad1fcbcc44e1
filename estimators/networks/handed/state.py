"""What decides the outputs of an object beside its weights: its attributes, and code in no file."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

# where a notebook, an interactive session and a script define their classes
INTERACTIVE = tuple(f"__{name}__" for name in ("main", "mp_main"))
# attributes that torch itself keeps, or that change nothing in evaluation mode
_LEFT_OUT = ("training", "dump_patches", "call_super_init")
# values within values, beyond which only the type counts
DEEPEST = 6


def state_sha256(module: nn.Module) -> str:
    """Return a SHA-256 of the plain attributes of all modules, and of interactive code.

    Attributes are numbers, texts, tensors, arrays, and containers of these. Weights and buffers are
    left out, since `weights_hash` covers them; so is code in files, which `code_hash` covers.
    """
    digest = hashlib.sha256()
    for name, part in module.named_modules():
        own = {k: v for k, v in vars(part).items() if not k.startswith("_") and k not in _LEFT_OUT}
        for key in sorted(own):
            digest.update(f"{name}.{key}=".encode())
            digest.update(b"".join(_content(own[key], DEEPEST)))
        for kind in ("_forward_hooks", "_forward_pre_hooks"):
            for hook in (getattr(part, kind, None) or {}).values():
                digest.update(f"{name}.{kind}=".encode())
                digest.update(b"".join(_content(hook, DEEPEST)))
    for name, text in sorted(interactive_code(type(part) for part in module.modules()).items()):
        digest.update(f"{name}\n{text}\n".encode())
    return digest.hexdigest()


def interactive_names(module: nn.Module) -> list[str]:
    """Return the classes of a module that stand in no importable file."""
    classes = {type(part) for part in module.modules()}
    return sorted(c.__qualname__ for c in classes if c.__module__ in INTERACTIVE)


def interactive_code(things: Iterator[Any]) -> dict[str, str]:
    """Return the code of classes and functions of `__main__`, and of what they use there, by name.

    The code is the source where it is known (files and notebooks), else the compiled code. Plain
    values of `__main__` that the code uses count with their value.
    """
    found: dict[str, str] = {}
    waiting = [thing for thing in things if thing.__module__ in INTERACTIVE]
    while waiting:
        thing = waiting.pop()
        name = f"{thing.__module__}.{thing.__qualname__}"
        if name in found:
            continue
        found[name] = _code_of(thing)
        space = vars(sys.modules.get(thing.__module__, ModuleType("nothing")))
        for used in sorted(_names(thing)):
            value = space.get(used)
            if isinstance(value, (type, FunctionType)):
                if value.__module__ in INTERACTIVE:
                    waiting.append(value)
            elif isinstance(value, (bool, int, float, str)):
                found[used] = repr(value)
        if isinstance(thing, type):
            waiting += [base for base in thing.__mro__[1:] if base.__module__ in INTERACTIVE]
    return found


def _code_of(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return repr([_stable(code) for code in _codes(thing)])


def _stable(code: CodeType) -> tuple[object, ...]:
    """Return what decides a piece of compiled code, without addresses and line numbers."""
    constants = [_stable(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_name, code.co_code, code.co_names, constants


def _codes(thing: Any) -> list[CodeType]:
    """Return the compiled code of a function, or of the methods of a class in order of names."""
    if isinstance(thing, type):
        members = [inspect.unwrap(getattr(v, "__func__", v)) for _, v in sorted(vars(thing).items())
                   if callable(getattr(v, "__func__", v))]  # fmt: skip
    else:
        members = [thing]
    return [member.__code__ for member in members if isinstance(member, FunctionType)]


def _names(thing: Any) -> set[str]:
    """Return the global names that the code of a thing may use, nested functions included."""
    names: set[str] = set()
    waiting = _codes(thing)
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return names


def _content(value: Any, depth: int) -> Iterator[bytes]:
    """Yield bytes that identify a value; of an object that is not plain, only its type."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        yield f"{kind}:{value!r};".encode()
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype}{value.shape}:".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, FunctionType):
        yield f"{value.__module__}.{value.__qualname__}:".encode()
        for code in _codes(value):
            yield repr(_stable(code)).encode()
        for cell in value.__closure__ or ():
            yield from _content(cell.cell_contents, depth - 1) if depth else ()
    elif depth and isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield f"{key!s}=".encode()
            yield from _content(value[key], depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for part in value:
            yield from _content(part, depth - 1)
    elif depth and isinstance(value, (set, frozenset)):
        for part in sorted(value, key=repr):
            yield from _content(part, depth - 1)
    else:
        yield f"{kind};".encode()
