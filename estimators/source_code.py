"""Source code as a hash: of external code that decides numbers, and of this project's studies.

Only the named thing itself is imported; what it imports is read from the source.
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

from estimators.entries import Entry
from estimators.plugins import Kind, is_dotted, module_of, plugin

OURS = ("benchmark", "estimators", "reports")
_STANDARD = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


@cache
def code_sha256(kind: Kind, name: str) -> str:
    """Return a SHA-256 of the code behind a name; "" for a name of this project or of ART.

    A process computes it once per name, as it loads the code once.
    """
    thing = plugin(kind, name)
    if thing is None:
        return ""
    made_in = getattr(thing, "__module__", type(thing).__module__)
    named = thing.modules() if isinstance(thing, Entry) else []
    return modules_sha256([module_of(kind, name), str(made_in), *named])


def modules_sha256(names: Iterable[str], follow: Sequence[str] = ()) -> str:
    """Return a SHA-256 of modules by name and of the modules that they import.

    An installed module counts with its source and the version of its distribution, any other one
    with its source and the modules that it imports, directly or through others, at its top or
    inside a function. Not seen are imports by a name made at run time, and files that code reads.

    follow: packages and modules of this project that count too, where a module imports them or
        names them in a registry row as "package.module:object". Without it this project's own code
        does not count.
    """
    digest = hashlib.sha256()
    for name, content in sorted(_sources(names, follow).items()):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()} {_version(name)}\n".encode())
    return digest.hexdigest()


def _sources(names: Iterable[str], follow: Sequence[str]) -> dict[str, bytes]:
    """Return source files by module: the named ones, and those that they import."""
    sources: dict[str, bytes] = {}
    left = [(name, True) for name in names]
    while left:
        name, named = left.pop()
        followed = any(name == other or name.startswith(f"{other}.") for other in follow)
        if name in sources or (name.partition(".")[0] in OURS and not followed):
            continue
        spec = _spec(name)
        path = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
        if path is None or not path.is_file() or (_installed(path) and not (named or followed)):
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
    """Return where a module is, without importing the packages around it."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except ValueError:
        return None  # __main__ has no spec
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, list(spec.submodule_search_locations))
    return spec


def _imports(source: bytes, package: str, rows: bool) -> Iterator[str]:
    """Return the modules that a source may import; with rows those that strings name, too."""
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
                continue  # beyond the top level: fails at run time, too
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif rows and isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value.partition(":")[0]] if is_dotted(node.value) else []
        for name in names:
            yield name
            yield from _above(name)


def _above(name: str) -> Iterator[str]:
    """Return the packages around a module: their code runs before its own."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _installed(path: Path) -> bool:
    """Return whether a file belongs to an installed package or to Python itself."""
    packages = {"site-packages", "dist-packages"} & set(path.parts)
    return bool(packages) or any(path.is_relative_to(folder) for folder in _STANDARD)


def _version(name: str) -> str:
    """Return the distributions of an installed module with their versions; else ""."""
    spec = _spec(name)
    if spec is None or not spec.origin or not _installed(Path(spec.origin)):
        return ""
    distributions = _distributions().get(name.partition(".")[0], ())
    return " ".join(sorted(f"{one} {version(one)}" for one in set(distributions)))


_distributions = cache(packages_distributions)
