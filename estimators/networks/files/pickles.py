"""Files of torch.save, read as data: sizes bounded, no code of the file or of its classes run.

torch's restricted reader knows tensors and containers. Training scripts keep more beside the
weights: options, numbers of NumPy, settings of Lightning. Each such object is replaced by an
`Unread`, which runs nothing and holds nothing. A pickle that asks for functions of Python's library
(`os.system`) is refused; torch would refuse it too, but here the message names them.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import sys
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING
from dataclasses import dataclass, field
from itertools import filterfalse
from pathlib import Path
from typing import Any

import torch

from estimators.errors import InputError
from estimators.networks.files.contents import Unread, choose_state, state_dicts
from estimators.plugins import describe_error

# what torch.save never reaches; weights hardly compress
_TIMES_SIZE, _AT_LEAST = 20, 16 * 2**20
# one of these is in each archive of torch
_INSIDE = {"data.pkl", "archive_format", "serialized_exported_program.json", "model.json"}
# the number that a file of torch.save before 1.6 begins with, as a pickle
_NUMBER = b"l\xfc\x9cF\xf9 j\xa8P\x19"
# how files of torch.save begin: a zip archive, before torch 1.6 a pickle of protocol 2 or more
_SAVED = (b"PK", b"\x80")
# Python's own modules whose objects training scripts keep: plain values
_PLAIN = {"argparse", "collections", "datetime", "decimal", "enum", "fractions", "pathlib"}
_PLAIN |= {"types", "uuid"}
_STANDARD = set(sys.stdlib_module_names) - _PLAIN
# dictionaries by another name: torch's reader fills only a plain one
_DICTIONARIES = {"AttributeDict", "defaultdict"}
# names in the other modules that pickles of plain values ask for; none of them is called
_VALUES = {"_codecs.encode", "copyreg._reconstructor"}
_TYPES = (
    "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"
)
_VALUES |= {f"builtins.{name}" for name in _TYPES.split()}
# of these torch makes tensors, and it knows them
_TENSORS = ("torch._utils.", "torch.storage.", "collections.")
_SAVE = "save the network's state_dict() (best as safetensors)"


class _NeedsTrust(InputError):
    """A file that only running its pickle can read."""


@dataclass
class _Pickle:
    """What a pickle asks for, found without running it.

    names: of classes and functions, dotted. protocol: of the pickle. used: names of the objects
    that were left out when it was read.
    """

    names: dict[str, None] = field(default_factory=dict)
    protocol: int = 2
    used: set[str] = field(default_factory=set)


def read_pickle(path: Path, key: str | None, trust: bool, where: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of torch.save by name.

    key: which state dict, see `choose_state`.
    trust: run the pickle, or load the program, where the restricted reader does not suffice.
    """
    members = _members(path, where)
    if members and not any(name.rpartition("/")[2] in _INSIDE for name in members):
        first = ", ".join(map(ascii, members[:3]))
        raise InputError(f"{where}: a zip archive that torch.save did not write; it holds {first}")
    if program := _program(members):
        return choose_state(_of_program(path, program, trust, where), key, where)
    try:
        return choose_state(_as_data(path, members, trust, where), key, where)
    except _NeedsTrust:
        if not trust:
            raise
    return choose_state(_trusted(path, where), key, where)


def plain_content(path: Path, where: str) -> object:
    """Return the tensors and containers of a file of torch.save; nothing else is read from it.

    Large tensors stay on disk until they are used, where the format allows it.

    Raises InputError for a damaged file, and for one that holds other objects.
    """
    mapped = bool(_members(path, where))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except Exception as error:
            # zip, pickle and torch each raise their own for a damaged file
            raise InputError(
                f"{where}: cannot be read as plain tensors ({describe_error(error)}); save them"
                " with torch.save"
            ) from error


def _as_data(path: Path, members: list[str], trust: bool, where: str) -> object:
    """Return what a file holds, with an `Unread` for each object that torch does not know."""
    asks = _asks(path, members)
    with path.open("rb") as file:
        start = file.read(32)
    if not members and start.startswith(_SAVED[1]) and _NUMBER not in start:
        named = f", which asks for {', '.join(list(asks.names)[:3])}" if asks.names else ""
        text = f"a plain pickle{named}; write the weights with torch.save or as safetensors"
        raise InputError(f"{where}: {text}")
    external = [name for name in asks.names if _is_external(name)]
    if external:
        raise _refused(f"asks for {external[0]}", where)
    content = _restricted(path, asks, where)
    found = state_dicts(content)
    whole = [state.name for state in found.values() if isinstance(state, Unread)]
    if asks.used and (len(whole) == len(found) or (whole and trust)):
        first = next(name for name in asks.names if name in asks.used)
        raise _refused(f"asks for {first}", where)
    return content


def _members(path: Path, where: str) -> list[str]:
    """Return the names in a zip archive, [] for another file; InputError for a zip bomb."""
    with path.open("rb") as file:
        # torch decides by the beginning too: a file may be a pickle with an archive behind it
        if file.read(2) != _SAVED[0]:
            return []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
    size, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if unpacked > _TIMES_SIZE * size + _AT_LEAST:
        raise InputError(
            f"{where}: refused, {size:,} bytes unpack to {unpacked:,}; torch.save writes no such"
            " file"
        )
    return [entry.filename for entry in entries]


def _program(members: list[str]) -> str:
    """Return what kind of program an archive is, "" for weights."""
    inner = {name.partition("/")[2] for name in members} | set(members)
    if "constants.pkl" in inner:
        return "a TorchScript archive"
    if inner & {"archive_format", "serialized_exported_program.json", "models/model.json"}:
        return "an archive of torch.export"
    return ""


def _of_program(path: Path, program: str, trust: bool, where: str) -> torch.nn.Module:
    load = "torch.jit.load" if "Script" in program else "torch.export.load"
    if not trust:
        raise InputError(
            f"{where}: refused, it is {program}, a program and more than weights; {_SAVE}, name a"
            f" factory that returns {load}(FILE) with --network, or add"
            " --trust-pickle if you trust its author"
        )
    try:
        network: torch.nn.Module = (
            torch.jit.load(str(path), "cpu") if "jit" in load else torch.export.load(path).module()
        )
    except Exception as error:
        # each format raises its own for a damaged file
        raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
    return network


def _asks(path: Path, members: list[str]) -> _Pickle:
    asks = _Pickle()
    try:
        if members:
            with zipfile.ZipFile(path) as archive:
                for member in members:
                    if member.rpartition("/")[2] == "data.pkl":
                        with archive.open(member) as file:
                            _scan(file, asks)
        else:
            with path.open("rb") as file:
                # before torch 1.6: a number, a version and the machine come before the object
                for _ in range(4):
                    _scan(file, asks)
    except Exception:
        # torch's reader says what is damaged
        return asks
    return asks


def _is_external(name: str) -> bool:
    return name.partition(".")[0] in _STANDARD and name not in _VALUES


def _of_tensors(name: str) -> bool:
    return name.startswith(_TENSORS) or name.endswith("Storage")


def _scan(file: Any, asks: _Pickle) -> None:
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STACK_GLOBAL":
            # protocol 4 puts both names on the stack before; torch refuses it, so a name that
            # stands further back is missing in a message only
            asks.names[".".join(texts[-2:])] = None
        elif isinstance(argument, str) and opcode.name.endswith("UNICODE"):
            texts = [*texts[-1:], argument]
        elif opcode.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            # protocol 2 writes Python 2's names
            asks.names[f"{IMPORT_MAPPING.get(module, module)}.{name}"] = None
        elif opcode.name == "PROTO":
            asks.protocol = max(asks.protocol, argument or 0)


def _restricted(path: Path, asks: _Pickle, where: str) -> object:
    stand_ins: list[Any] = [_stand_in(name, asks.used) for name in asks.names]
    with warnings.catch_warnings():
        # torch warns of old formats and of other protocols; the errors below say it
        warnings.simplefilter("ignore")
        try:
            with torch.serialization.safe_globals(stand_ins):
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            # zip, pickle and torch each raise their own for a damaged file
            with path.open("rb") as file:
                start = file.read(2)
            if not start.startswith(_SAVED):
                text = "torch.save wrote no such file; is it whole?" if start else "it is empty"
                raise InputError(f"{where}: cannot be read, {text}") from error
            if not isinstance(error, pickle.UnpicklingError):
                raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
            if asks.protocol > 2:
                raise _refused(
                    f"is of protocol {asks.protocol} in the place of 2", where
                ) from error
            match = re.search(r"GLOBAL (\S+)", str(error))
            asked = match.group(1) if match else next(filterfalse(_of_tensors, asks.names), "")
            raise _refused(f"asks for {asked}" if asked else "is no plain one", where) from error


def _stand_in(name: str, used: set[str]) -> type:
    module, _, own = name.rpartition(".")

    def new(cls: type, *args: object, **kwargs: object) -> object:
        used.add(name)
        return {} if own in _DICTIONARIES else object.__new__(cls)

    # torch looks a class up by its module and name
    inside = {"__module__": module, "__qualname__": own, "name": name, "__new__": new}
    return type(own, (Unread,), inside)


def _trusted(path: Path, where: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=False)
        except Exception as error:
            raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error


def _refused(why: str, where: str) -> _NeedsTrust:
    return _NeedsTrust(
        f"{where}: refused, the pickle {why}, and reading it could run any code; {_SAVE}, or"
        " add --trust-pickle if you trust its author"
    )
