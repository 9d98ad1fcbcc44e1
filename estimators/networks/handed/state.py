"""What decides the outputs of an object beside its weights: its attributes, and code in no file."""

from __future__ import annotations

import dis
import hashlib
import inspect
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

from estimators.networks.handed.content import INTERACTIVE, Content, codes, name_of, stable
from estimators.source_code import modules_sha256


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
    for name, text in sorted(interactive_code(code, content).items()):
        digest.update(f"{name}\n{text}\n".encode())
    digest.update(modules_sha256(sorted(_files_of(content.code))).encode())
    return digest.hexdigest()


def _files_of(code: Iterable[Any]) -> set[str]:
    """Return the modules of classes and functions, as `code_hash` chooses those of layers."""
    left_out = {"torch", "estimators", "numpy", "", *INTERACTIVE, *sys.stdlib_module_names}
    names = {
        thing.__name__ if isinstance(thing, ModuleType) else str(thing.__module__ or "")
        for thing in code
    }
    return {name for name in names if name.partition(".")[0] not in left_out}


def interactive_names(module: nn.Module) -> list[str]:
    """Return the classes of a module that stand in no importable file."""
    classes = {type(part) for part in module.modules()}
    return sorted(c.__qualname__ for c in classes if c.__module__ in INTERACTIVE)


def interactive_code(things: Iterable[Any], content: Content) -> dict[str, str]:
    """Return the code of classes and functions of `__main__`, and of what they use there, by name.

    The code is the source where it is known (files and notebooks), else the compiled code. Values
    of `__main__` that the code uses count with their content.

    content: gets the classes, functions and modules from files that the code uses.
    """
    found: dict[str, str] = {}
    waiting = list(things)
    while waiting:
        thing = waiting.pop()
        if thing.__module__ not in INTERACTIVE or name_of(thing) in found:
            continue
        found[name_of(thing)] = _code_of(thing)
        space = vars(sys.modules.get(thing.__module__, ModuleType("nothing")))
        known = len(content.code)
        for used in sorted(_names(thing) & space.keys()):
            if isinstance(space[used], (type, FunctionType, ModuleType)):
                content.code[space[used]] = None
            else:
                found[used] = content.of(space[used]).hex()
        waiting += [new for new in list(content.code)[known:] if not isinstance(new, ModuleType)]
        if isinstance(thing, type):
            waiting += thing.__mro__[1:]
    return found


def _code_of(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return repr([stable(code) for code in codes(thing)])


def _names(thing: Any) -> set[str]:
    """Return the global names that the code of a thing uses, nested functions included."""
    names: set[str] = set()
    waiting = codes(thing)
    while waiting:
        code = waiting.pop()
        names |= {str(i.argval) for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return names
