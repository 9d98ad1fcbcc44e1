"""What decides the outputs of an object beside its weights: its attributes, and code in no file."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

from estimators.networks.handed.content import Content, codes, stable
from estimators.source_code import modules_sha256

# where a notebook, an interactive session and a script define their classes
INTERACTIVE = tuple(f"__{name}__" for name in ("main", "mp_main"))


def state_sha256(module: nn.Module) -> str:
    """Return a SHA-256 of what a network has beside its weights, and of the code of that.

    That is the attributes of all modules with all that they hold: objects, functions, modules in
    plain lists; hooks, buffers that are not saved, and the extra state. Weights that `state_dict`
    has are left out, since `weights_hash` covers them; so is the code of the network's own modules
    in files, which `code_hash` covers.
    """
    digest = hashlib.sha256()
    content = Content(module)
    for name, part in module.named_modules():
        digest.update(f"{name}=".encode())
        digest.update(content.of_part(part))
    code = [*(type(part) for part in module.modules()), *content.code]
    for name, text in sorted(interactive_code(iter(code)).items()):
        digest.update(f"{name}\n{text}\n".encode())
    digest.update(modules_sha256(sorted(_files_of(content.code))).encode())
    return digest.hexdigest()


def _files_of(code: Iterable[Any]) -> set[str]:
    """Return the modules of classes and functions, as `code_hash` chooses those of layers."""
    left_out = {"torch", "estimators", "numpy", "", *INTERACTIVE, *sys.stdlib_module_names}
    names = {str(getattr(thing, "__module__", None) or "") for thing in code}
    return {name for name in names if name.partition(".")[0] not in left_out}


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
        return repr([stable(code) for code in codes(thing)])


def _names(thing: Any) -> set[str]:
    """Return the global names that the code of a thing may use, nested functions included."""
    names: set[str] = set()
    waiting = codes(thing)
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return names
