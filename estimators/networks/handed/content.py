"""What a value holds as a SHA-256, the same in every process: objects, functions, modules."""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from estimators.networks.programs import program_sha256

# where a notebook, an interactive session and a script define their classes
INTERACTIVE = tuple(f"__{name}__" for name in ("main", "mp_main"))
# values within values, and values in all, beyond which only the type counts
DEEPEST, MOST = 100, 1_000_000
PLAIN = (bool, int, float, complex, str, bytes)
PROGRAMS = (torch.jit.ScriptModule, torch.fx.GraphModule)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# attributes that torch itself keeps, or that change nothing in evaluation mode
_LEFT_OUT = {*vars(nn.Module()), "dump_patches", "call_super_init", "_compiled_call_impl"}
# whose objects belong to one process, or change when they are used
_OF_A_PROCESS = {"_io", "_random", "_thread", "asyncio", "concurrent", "io", "logging", "queue",
                 "multiprocessing", "random", "socket", "subprocess", "tempfile", "threading",
                 "weakref"}  # fmt: skip


class Content:
    """The contents of values around a network; each is read once.

    network: its modules, and the weights that its `state_dict` has, count by their name alone.
    """

    def __init__(self, network: nn.Module) -> None:
        self.code: dict[Any, None] = {}
        """The classes and functions that were met, in order."""
        self._names = {id(part): name for name, part in network.named_modules()}
        self._weights: dict[int, str] = {}
        for name, part in network.named_modules():
            for key, tensor in (*part._parameters.items(), *_buffers(part, persistent=True)):
                self._weights[id(tensor)] = f"{name}.{key}"
        # with the value itself, so that no other one gets its id
        self._done: dict[int, tuple[Any, bytes, int]] = {}
        self._open: dict[int, int] = {}
        self._visits = self._cuts = 0

    def of(self, value: Any, depth: int = 0) -> bytes:
        """Return bytes that identify a value; of what lives in one process only, its type."""
        if value is None or type(value) in PLAIN:
            return f"{type(value).__name__}:{value!r}".encode()
        if id(value) in self._weights and isinstance(value, torch.Tensor):
            return f"weight {self._weights[id(value)]}".encode()
        if id(value) in self._names and isinstance(value, nn.Module):
            return f"module {self._names[id(value)]}".encode()
        known = self._done.get(id(value))
        if known is not None and depth >= known[2]:
            return known[1]
        if id(value) in self._open:
            return f"within {self._open[id(value)]}".encode()
        if depth >= DEEPEST or self._visits >= MOST:
            self._cuts += 1
            return _kind(value)
        self._visits += 1
        self._open[id(value)], cuts = depth, self._cuts
        digest = _digest(_kind(value), self._parts(value, lambda inner: self.of(inner, depth + 1)))
        del self._open[id(value)]
        # a shorter way to a value that was cut off leads further into it
        self._done[id(value)] = value, digest, 0 if cuts == self._cuts else depth
        return digest

    def of_part(self, part: nn.Module) -> bytes:
        """Return bytes that identify what a module of the network has beside its weights."""
        return _digest(_kind(part), self._beside_weights(part, self.of))

    def _parts(self, value: Any, of: Callable[[Any], bytes]) -> Iterator[bytes | memoryview]:
        if isinstance(value, torch.Tensor):
            yield from _tensor(value)
        elif isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            yield f"{value.dtype}{value.shape}".encode()
            yield value.tobytes()
        elif isinstance(value, np.ndarray):
            yield of((value.shape, value.tolist()))
        elif isinstance(value, nn.Module):
            self.code[type(value)] = None
            yield of((value.training, value._parameters, value._modules))
            yield of(dict(_buffers(value, persistent=True)))
            yield program_sha256(value).encode()
            yield from self._beside_weights(value, of)
        elif isinstance(value, FunctionType):
            yield from self._function(value, of)
        elif isinstance(value, (MethodType, BuiltinFunctionType)):
            yield value.__name__.encode()
            yield of(getattr(value, "__func__", None))
            yield of(value.__self__)
        elif isinstance(value, functools.partial):
            yield of((value.func, value.args, value.keywords))
        elif isinstance(value, type):
            self.code[value] = None
            yield name_of(value).encode()
        elif isinstance(value, (ModuleType, torch.dtype, np.dtype, PurePath)):
            yield (value.__name__ if isinstance(value, ModuleType) else str(value)).encode()
        elif isinstance(value, enum.Enum):
            yield value.name.encode()
            yield of(value.value)
            self.code[type(value)] = None
        elif isinstance(value, PLAIN):
            yield next(kind.__repr__(value) for kind in PLAIN if isinstance(value, kind)).encode()
            yield of(_attributes(value))
        elif isinstance(value, re.Pattern):
            yield of((value.pattern, value.flags))
        elif isinstance(value, torch.Generator):
            yield str(value.initial_seed()).encode()
        elif isinstance(value, torch.jit.ScriptFunction):
            yield str(value.code).encode()
        elif isinstance(value, (io.BytesIO, io.StringIO)):
            yield of(value.getvalue())
        elif _of_a_process(value):
            return
        elif isinstance(value, (Mapping, list, tuple, set, frozenset)):
            yield from _items(value, of)
            if type(value).__module__ not in ("builtins", "collections"):
                self.code[type(value)] = None
                yield of(_attributes(value))
        else:
            yield from self._object(value, of)

    def _object(self, value: Any, of: Callable[[Any], bytes]) -> Iterator[bytes]:
        self.code[type(value)] = None
        own = _attributes(value)
        if own or hasattr(value, "__dict__"):
            yield of(own)
            return
        # compiled types, such as dates and decimals, state what makes them again
        reduce = copyreg.dispatch_table.get(type(value))
        made = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(made, str):
            yield made.encode()
            return
        _, args, state, *items = (*made, None, None, None)[:5]
        yield of((args, state, [list(more) for more in items if more is not None]))

    def _function(self, value: FunctionType, of: Callable[[Any], bytes]) -> Iterator[bytes]:
        inner = vars(value).get("_torchdynamo_orig_callable")
        if inner is not None:  # the compiled one around it belongs to the process
            yield of(inner)
            return
        self.code[value] = None
        yield name_of(value).encode()
        yield repr(stable(value.__code__)).encode()
        yield of((value.__defaults__, value.__kwdefaults__, vars(value)))
        for cell in value.__closure__ or ():
            try:
                yield of(cell.cell_contents)
            except ValueError:
                yield b"empty"

    def _beside_weights(self, part: nn.Module, of: Callable[[Any], bytes]) -> Iterator[bytes]:
        yield of(dict(_buffers(part, persistent=False)))
        for kind in _HOOKS:
            yield of(list((getattr(part, kind, None) or {}).values()))
        if type(part).get_extra_state is not nn.Module.get_extra_state:
            try:
                yield of(part.get_extra_state())
            except Exception:
                yield b"none"
        # a program is its graph; a compiled module is what is inside
        if not isinstance(part, PROGRAMS) and "_orig_mod" not in part._modules:
            own = _attributes(part)
            yield of({key: own[key] for key in own if key not in _LEFT_OUT})


def codes(thing: Any) -> list[CodeType]:
    """Return the compiled code of a function, or of the methods of a class in order of names."""
    if isinstance(thing, type):
        members = [inspect.unwrap(getattr(v, "__func__", v)) for _, v in sorted(vars(thing).items())
                   if callable(getattr(v, "__func__", v))]  # fmt: skip
    else:
        members = [thing]
    return [member.__code__ for member in members if isinstance(member, FunctionType)]


def stable(code: CodeType) -> tuple[object, ...]:
    """Return what decides a piece of compiled code, without addresses and line numbers."""
    constants = [_constant(value) for value in code.co_consts]
    return code.co_name, code.co_code, code.co_names, constants


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return stable(value)
    # the order of texts in a set is another one in each process
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


def name_of(thing: Any) -> str:
    """Return the name of a class or function with its module, the same one in a worker."""
    module = INTERACTIVE[0] if thing.__module__ in INTERACTIVE else thing.__module__
    return f"{module}.{thing.__qualname__}"


def _kind(value: Any) -> bytes:
    return name_of(type(value)).encode()


def _digest(kind: bytes, parts: Iterator[bytes | memoryview]) -> bytes:
    """Return a SHA-256 of bytes; of the kind alone where something in them cannot be read."""
    digest = hashlib.sha256(kind)
    try:
        for part in parts:
            digest.update(f"{len(part)}:".encode())
            digest.update(part)
    except Exception:
        # attributes that raise, and what belongs to a process
        return hashlib.sha256(kind).digest()
    return digest.digest()


def _of_a_process(value: Any) -> bool:
    if isinstance(value, torch.device) or value is os.environ:
        return True
    names = [kind.__module__ for kind in type(value).__mro__]
    return any(n.partition(".")[0] in _OF_A_PROCESS or n.startswith("numpy.random") for n in names)


def _buffers(part: nn.Module, persistent: bool) -> Iterator[tuple[str, torch.Tensor | None]]:
    for key, tensor in part._buffers.items():
        if (key not in part._non_persistent_buffers_set) == persistent:
            yield key, tensor


def _tensor(value: torch.Tensor) -> Iterator[bytes | memoryview]:
    yield f"{value.dtype}{tuple(value.shape)}".encode()
    value = value.detach().cpu()
    value = value.dequantize() if value.is_quantized else value
    value = value.to_dense() if value.layout != torch.strided else value
    value = value.resolve_conj().resolve_neg().contiguous().reshape(-1)
    # NumPy knows fewer types of numbers than torch
    array: Any = value.view(torch.uint8).numpy()
    yield memoryview(array)


def _items(value: Any, of: Callable[[Any], bytes]) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for key in value:
            yield of(key)
            yield of(value[key])
    else:
        found = map(of, value)
        yield from sorted(found) if isinstance(value, (set, frozenset)) else found


def _attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that a copy of an object gets, in order of their names."""
    getstate = getattr(type(value), "__getstate__", None)
    if getstate is not None and getstate is not getattr(object, "__getstate__", None):
        try:
            state = value.__getstate__()
        except Exception:
            state = None  # some modules refuse it, and are copied by another road
        if state is not None:
            return dict(sorted(state.items())) if isinstance(state, dict) else {"": state}
    own: dict[str, Any] = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{kind.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                own[name] = getattr(value, name)
    # what follows from the other attributes is there after its first use only
    kept = {key for key in own if not _is_derived(type(value), key)}
    return {key: own[key] for key in sorted(kept, key=str)}


def _is_derived(kind: type, key: Any) -> bool:
    made = inspect.getattr_static(kind, key, None) if isinstance(key, str) else None
    return isinstance(made, functools.cached_property)
