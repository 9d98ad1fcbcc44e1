"""The code of others as a hash: what a plug-in or `package.module:thing` runs when it is called.

Nothing is imported for it but the thing itself: what that imports is read from the source.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path

from estimators.plugins import Kind, is_dotted, module_of, plugin

OURS = ("benchmark", "estimators", "reports")
_STANDARD = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


@cache
def code_sha256(kind: Kind, name: str) -> str:
    """SHA-256 of the code behind a name; empty for a name of ours or of ART's.

    It is asked for once in a process, as the code is loaded once.
    """
    thing = plugin(kind, name)
    if thing is None:
        return ""
    made_in = getattr(thing, "__module__", type(thing).__module__)
    return modules_sha256([module_of(kind, name), str(made_in)])


def modules_sha256(names: Iterable[str], follow: Sequence[str] = ()) -> str:
    """SHA-256 of modules by name.

    follow: packages and modules of this project whose code counts too where a module imports it,
        directly or through others, at its top or inside a function, or names it in a registry row
        as "package.module:object". Without it this project's own code does not count.

    Of an installed module: its source, and the version that it was installed with. Of any other:
    its source and that of every module of the kind that it imports, be it by way of others. What
    is imported by a name made at run time, and files that code reads, are not seen.
    """
    digest = hashlib.sha256()
    for name, content in sorted(_sources(names, follow).items()):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()} {_version(name)}\n".encode())
    return digest.hexdigest()


def _sources(names: Iterable[str], follow: Sequence[str]) -> dict[str, bytes]:
    """Source files by module: the named ones, and what those that are not installed import."""
    sources: dict[str, bytes] = {}
    left = [(name, True) for name in names]
    while left:
        name, named = left.pop()
        followed = any(name == other or name.startswith(f"{other}.") for other in follow)
        if name in sources or (name.partition(".")[0] in OURS and not followed):
            continue
        spec = _spec(name)
        path = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
        if path is None or not path.is_file():
            continue
        if _installed(path) and not (named or followed):
            continue
        sources[name] = read_source(path)
        # this project may be installed, and so may a plug-in that imports it
        if follow or not _installed(path):
            is_package = spec is not None and spec.submodule_search_locations is not None
            package = name if is_package else name.rpartition(".")[0]
            left += [(other, False) for other in _imports(sources[name], package, bool(follow))]
            left += [(above, False) for above in _above(name)]
    return sources


def read_source(path: Path) -> bytes:
    """Read a source file."""
    return path.read_bytes()


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, found without running the packages that it lies in."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except ValueError:
        return None  # __main__ has none
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, list(spec.submodule_search_locations))
    return spec


def _imports(source: bytes, package: str, rows: bool) -> Iterator[str]:
    """The modules that a source may import; of `from a import b` both a and a.b.

    rows: also those that a string "package.module:object" names.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # a compiled module, or one that cannot be imported either
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue  # beyond the top: it fails at run time, too
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif rows and isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value.partition(":")[0]] if is_dotted(node.value) else []
        for name in names:
            yield name
            yield from _above(name)


def _above(name: str) -> Iterator[str]:
    """The packages that a module lies in: their code runs before its own."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _installed(path: Path) -> bool:
    """Whether a file came by an installer or with Python, and is not for the user to edit."""
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.is_relative_to(folder) for folder in _STANDARD)


def _version(name: str) -> str:
    """What a module was installed with; empty for one that was not."""
    spec = _spec(name)
    if spec is None or not spec.origin or not _installed(Path(spec.origin)):
        return ""
    found = _distributions().get(name.partition(".")[0], ())
    return " ".join(sorted(f"{one} {version(one)}" for one in set(found)))


@cache
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in packages_distributions().items()}
