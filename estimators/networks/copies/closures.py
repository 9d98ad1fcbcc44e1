"""Functions that hold modules of a network: a copy of the network needs functions of its own."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from types import CellType, FunctionType, MethodType
from typing import Any

from torch import nn

CONTAINERS = (list, tuple, set, frozenset)
_EMPTY = object()


def twins(network: nn.Module, memo: dict[int, Any]) -> Callable[[], None]:
    """Put a twin of each function that holds modules of a network into the memo of a `deepcopy`.

    `deepcopy` returns functions as they are, so that a hook such as `lambda m, i, o: setattr(self,
    "kept", o)` of a copy would write into the network that it was copied from.

    Returns what is called after the copy: it gives the twins the modules of the copy.
    """
    parts = {id(module) for module in network.modules()}
    functions = list(dict.fromkeys(functions_in(network)))
    held = {function: [*_contents(function)] for function in functions}
    waiting: dict[FunctionType, FunctionType] = {}
    cells: dict[int, tuple[CellType, CellType]] = {}
    changed = True
    while changed:  # a function may hold another one that holds a module
        changed = False
        for function in functions:
            if function not in waiting and any(_moves(c, parts, waiting) for c in held[function]):
                waiting[function] = function
                changed = True
    for function in waiting:
        twin = _twin(function, parts, waiting, cells)
        memo[id(function)] = twin
        waiting[function] = twin

    def finish() -> None:
        for old, new in cells.values():
            new.cell_contents = _moved(old.cell_contents, memo)
        for function, twin in waiting.items():
            twin.__defaults__ = function.__defaults__ and tuple(
                _moved(value, memo) for value in function.__defaults__
            )
            twin.__kwdefaults__ = function.__kwdefaults__ and {
                name: _moved(value, memo) for name, value in function.__kwdefaults__.items()
            }

    return finish


def functions_in(network: nn.Module) -> Iterator[FunctionType]:
    """Yield the functions that modules hold as attributes or hooks, and those within these."""
    return (thing for thing in held_by(network) if isinstance(thing, FunctionType))


def held_by(network: nn.Module) -> Iterator[object]:
    """Yield what modules hold as attributes or hooks, once each, with what is within it.

    Containers and functions are looked into, other objects are not.
    """
    seen: set[int] = set()
    waiting: list[object] = [vars(module) for module in network.modules()]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, FunctionType):
            waiting += _contents(thing)
        elif isinstance(thing, MethodType):
            waiting.append(thing.__func__)
        elif isinstance(thing, functools.partial):
            waiting.append(thing.func)
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, CONTAINERS):
            waiting += thing


def content_of(cell: CellType) -> Any:
    """Return what a cell holds; a value of its own for one that is not filled yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _contents(function: FunctionType) -> list[Any]:
    """Return the values that a function holds itself: in its closure and as defaults."""
    values = [content_of(cell) for cell in function.__closure__ or ()]
    values += function.__defaults__ or ()
    return [*values, *(function.__kwdefaults__ or {}).values()]


def _moves(value: Any, parts: set[int], waiting: dict[FunctionType, FunctionType]) -> bool:
    """Return whether a value is another one in the copy."""
    if isinstance(value, weakref.ref):
        value = value()
    elif isinstance(value, MethodType):
        value = value.__self__
    if isinstance(value, FunctionType):
        return value in waiting
    return isinstance(value, nn.Module) and id(value) in parts


def _moved(value: Any, memo: dict[int, Any]) -> Any:
    """Return a value as the copy has it."""
    if isinstance(value, weakref.ref):
        inner = value()
        return weakref.ref(memo[id(inner)]) if id(inner) in memo else value
    if isinstance(value, MethodType):
        own = memo.get(id(value.__self__), value.__self__)
        return MethodType(value.__func__, own)
    return memo.get(id(value), value) if isinstance(value, (nn.Module, FunctionType)) else value


def _twin(
    function: FunctionType,
    parts: set[int],
    waiting: dict[FunctionType, FunctionType],
    cells: dict[int, tuple[CellType, CellType]],
) -> FunctionType:
    """Return a function with cells of its own, still empty, for what is another in the copy."""
    closure = []
    for cell in function.__closure__ or ():
        if _moves(content_of(cell), parts, waiting):
            # functions that share a cell share its twin
            cell = cells.setdefault(id(cell), (cell, CellType()))[1]
        closure.append(cell)
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(closure) if function.__closure__ is not None else None,
    )
    functools.update_wrapper(twin, function)
    if "__wrapped__" not in vars(function):
        del twin.__wrapped__  # type: ignore[attr-defined]
    else:
        twin.__wrapped__ = function.__wrapped__  # type: ignore[attr-defined]
    return twin
