"""What others add: installed entry points by short name, Python objects as `package.module:thing`.

Nothing is looked for before a name is asked that no registry of this project holds.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from estimators.errors import InputError

Kind = Literal["attacks", "defences", "networks", "datasets", "studies"]
ONE: dict[Kind, str] = {
    "attacks": "attack",
    "defences": "defence",
    "networks": "network",
    "datasets": "data set",
    "studies": "study",
}
# networks of these packages are named `torchvision:resnet18`: a name in a list, no code to import
FAMILIES = ("torchvision", "timm", "robustbench")
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_DOTTED = re.compile(f"{_PATH}:{_PATH}")


@dataclass(frozen=True)
class Plugin:
    """An installed plug-in that has not been loaded.

    name: its short name. value: `package.module:thing`. distribution: what it came with.
    """

    name: str
    value: str
    distribution: str


def plugin(kind: Kind, name: str) -> Any | None:
    """The thing that a name stands for, or None where there is no such name.

    name: `package.module:thing`, or the short name of an entry point in the group
        `art_bench.<kind>` of an installed package. The working directory is looked in last.

    Raises InputError where it cannot be imported: that code is not ours and may raise anything.
    """
    try:
        return _found(kind, name)
    except LookupError:
        return None


def module_of(kind: Kind, name: str) -> str:
    """The module that a name leads to, as its text says; empty where there is no such name."""
    if is_dotted(name):
        return name.partition(":")[0]
    return next((point.module for point in _points(kind) if point.name == name), "")


def installed(kind: Kind) -> list[Plugin]:
    """The plug-ins of a kind that installed packages announce, by name; none is loaded."""
    return sorted(
        (Plugin(point.name, point.value, _distribution(point)) for point in _points(kind)),
        key=lambda found: (found.name, found.value),
    )


def is_dotted(name: str) -> bool:
    """Whether a name is code to import, as in `package.module:thing`."""
    return _DOTTED.fullmatch(name) is not None


def told(error: BaseException) -> str:
    """Class and first line of an error that foreign code raised."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


@cache
def _found(kind: Kind, name: str) -> Any:
    if is_dotted(name):
        return _guarded(ONE[kind], name, lambda: _imported(name))
    points = {point.value: point for point in _points(kind) if point.name == name}
    if len(points) > 1:
        raise InputError(
            f"{ONE[kind]} {name!r}: several plug-ins have this name"
            f" ({', '.join(sorted(points))}); name one of these instead"
        )
    if not points:
        raise LookupError(name)
    (point,) = points.values()
    where = f"{name!r} (plug-in of {_distribution(point)})"
    return _guarded(ONE[kind], where, point.load)


def _imported(name: str) -> Any:
    module_name, _, path = name.partition(":")
    # as `python -m` has it, but last: what is installed goes first
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    importlib.invalidate_caches()
    found: Any = importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _guarded(kind: str, where: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        raise InputError(
            f"{kind} {where}: cannot be imported ({told(error)}); wanted: a short name"
            " (see `bench list`) or package.module:thing, importable from here"
        ) from error


def _points(kind: Kind) -> list[EntryPoint]:
    return list(entry_points(group=f"art_bench.{kind}"))


def _distribution(point: EntryPoint) -> str:
    found = getattr(point, "dist", None)
    return f"{found.name} {found.version}" if found is not None else point.value
