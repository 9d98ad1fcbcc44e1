"""Code of other packages: installed entry points by short name, objects as `package.module:thing`.

Nothing is searched before somebody asks for a name that no registry of this project holds.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from estimators.entries import E, Entry
from estimators.errors import EndsProgram, InputError, NetworkError, class_and_line
from estimators.interrupts import contained

Kind = Literal["attacks", "defences", "networks", "datasets", "studies"]
_SINGULAR = {"datasets": "data set", "studies": "study"}
ALLOWED_PACKAGE = "art."
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_DOTTED = re.compile(f"{_PATH}:{_PATH}")
_FILE = re.compile(rf"(?:.*[/\\])?(?P<module>{_PATH})\.py:(?P<thing>{_PATH})")


@dataclass(frozen=True, order=True)
class Plugin:
    """An installed plug-in that has not been loaded.

    name: its short name.
    value: `package.module:thing`.
    distribution: name and version of the package that it came with.
    """

    name: str
    value: str
    distribution: str


def plugin(kind: Kind, name: str) -> Any | None:
    """Return the object that a name stands for, or None where there is no such name.

    It is an Entry, or a bare class, factory or function.

    name: `package.module:thing`, or the short name of an entry point in the group
        `art_bench.<kind>` of an installed package. The working directory is searched last.

    Raises InputError where the import fails: external code may raise anything.
    """
    try:
        return _load(kind, name)
    except LookupError:
        return None


def builder(kind: Kind, name: str) -> Any | None:
    """Return what builds the thing of a name: `plugin`, of an Entry the object that it names."""
    thing = plugin(kind, name)
    if not isinstance(thing, Entry):
        return thing
    return _guarded(kind, f"{name!r} (builder {thing.build})", thing.load)


def entry_of(kind: Kind, name: str, rows: Mapping[str, E], entry_type: type[E]) -> E | None:
    """Return the row of a name, or the entry of a plug-in; None where there is neither."""
    if name in rows:
        return rows[name]
    thing = plugin(kind, name)
    return thing if isinstance(thing, entry_type) else None


def module_of(kind: Kind, name: str) -> str:
    """Return the module that a name leads to, without an import; "" where there is no such name."""
    if is_dotted(name):
        return name.partition(":")[0]
    return next((point.module for point in _points(kind) if point.name == name), "")


def is_plugin(kind: Kind, name: str) -> bool:
    """Return whether a name can stand for a plug-in; no code of it is run.

    Raises InputError for `package.module:thing` whose module is not found, and for a module that is
    named as a file.
    """
    if not is_dotted(name):
        file = _FILE.fullmatch(name)
        if file is not None:
            raise InputError(
                f"{_singular(kind)} {name!r}: names a file; write {file['module']}:{file['thing']},"
                " and run in the folder of the file"
            )
        return any(point.name == name for point in _points(kind))
    _guarded(kind, name, lambda: _find(name.partition(":")[0]))
    return True


def check_art_name(name: str, kind: str) -> None:
    """Raise InputError for a dotted name outside ART. kind: what it is, for messages."""
    if not name.startswith(ALLOWED_PACKAGE):
        raise InputError(f"{kind} {name!r}: dotted names must begin with {ALLOWED_PACKAGE!r}")


def installed(kind: Kind) -> list[Plugin]:
    """Return the plug-ins of a kind that installed packages announce, by name, none loaded."""
    return sorted(Plugin(p.name, p.value, _distribution(p)) for p in _points(kind))


def is_dotted(name: str) -> bool:
    """Return whether a name is code to import, as in `package.module:thing`."""
    return _DOTTED.fullmatch(name) is not None


def import_from_art(name: str, base: type, kind: str) -> Callable[..., Any]:
    """Return a class of ART by dotted name; a grid file can have no other package imported.

    base: the class that it must be derived from.
    kind: what it is, for messages.
    """
    check_art_name(name, kind)
    module_name, _, class_name = name.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{kind} {name!r}: not found in ART ({error})") from error
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise InputError(f"{kind} {name!r}: not a {base.__name__} of ART")
    return cls


def describe_error(error: BaseException) -> str:
    """Return class and first line of an error that external code raised."""
    if isinstance(error, NetworkError):
        return error.reason
    return str(error) if isinstance(error, EndsProgram) else class_and_line(error)


@cache
def _load(kind: Kind, name: str) -> object:
    if is_dotted(name):
        return _guarded(kind, name, lambda: _import(name))
    points = {point.value: point for point in _points(kind) if point.name == name}
    if len(points) > 1:
        raise InputError(
            f"{_singular(kind)} {name!r}: several plug-ins have this name"
            f" ({', '.join(sorted(points))}); name one of these instead"
        )
    if not points:
        raise LookupError(name)
    (point,) = points.values()
    return _guarded(kind, f"{name!r} (plug-in of {_distribution(point)})", point.load)


def _import(name: str) -> object:
    module_name, _, path = name.partition(":")
    _search_here()
    thing: object = importlib.import_module(module_name)
    for part in path.split("."):
        if not hasattr(thing, part):
            near = difflib.get_close_matches(part, dir(thing), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise AttributeError(f"{module_name} has no attribute {part!r}{hint}")
        thing = getattr(thing, part)
    return thing


def _find(module: str) -> None:
    """Raise ModuleNotFoundError for a module that an import would not find; imports nothing."""
    _search_here()
    name, path = "", None
    for part in module.split("."):
        if name and path is None:
            advice = ", leave .py out" if module == f"{name}.py" else ""
            raise ModuleNotFoundError(
                f"No module named {module!r}; {name!r} is not a package{advice}"
            )
        name = f"{name}.{part}" if name else part
        if name in sys.modules:
            path = getattr(sys.modules[name], "__path__", None)
            continue
        specs = (finder.find_spec(name, path) for finder in sys.meta_path)
        found = next((spec for spec in specs if spec is not None), None)
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}")
        path = found.submodule_search_locations


def _search_here() -> None:
    """Search the working directory last, unlike `python -m`: installed packages come first."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    importlib.invalidate_caches()


def _singular(kind: Kind) -> str:
    return _SINGULAR.get(kind, kind.removesuffix("s"))


def _guarded(kind: Kind, where: str, load: Callable[[], object]) -> object:
    try:
        with contained():
            return load()
    except Exception as error:
        raise InputError(
            f"{_singular(kind)} {where}: cannot be imported ({describe_error(error)}); expected a"
            " short name (see `bench list`) or package.module:thing, importable from here"
        ) from error


def _points(kind: Kind) -> list[EntryPoint]:
    return list(entry_points(group=f"art_bench.{kind}"))


def _distribution(point: EntryPoint) -> str:
    distribution = getattr(point, "dist", None)
    return f"{distribution.name} {distribution.version}" if distribution else point.value
