"""Hashes of the external code that decides the numbers of a cell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

from benchmark.attacks.lookup import file_entry, is_ours, library_of
from benchmark.grids.cell import Cell
from estimators.defences.registry import DEFENCES, JOIN
from estimators.plugins import Kind
from estimators.source_code import code_sha256
from estimators.spec import Spec
from reports.results.manifest import sha256_of


def plugin_code(cell: Cell) -> dict[str, str]:
    """Return the SHA-256 of the code of a cell's external attack and defences, by name.

    A name reads `attacks/package.module:object`. For an attack of a library, such as
    `attacks/foolbox:PGD`, the library's version stands in the place of the hash; for an attack that
    reads a file, the hash of that file. The result is empty where attack and defences belong to
    this project or, by dotted name, to ART, whose version is in the manifest. Networks are left out
    because the hash of their weights covers their code; data sets, because their images are hashed.
    """
    names = [f"defences/{name}" for name in cell.defence.name.split(JOIN) if name not in DEFENCES]
    if not is_ours(cell.attack):
        names.append(f"attacks/{cell.attack.name}")
    return {name: sha256 for name, sha256 in code_hashes(names).items() if sha256}


def code_hashes(names: Iterable[str]) -> dict[str, str]:
    """Return the hashes of the code that this process has under names that `plugin_code` gave."""
    hashes = {}
    for name in names:
        kind, _, plugin = name.partition("/")
        hashes[name] = _hash(cast(Kind, kind), plugin)
    return hashes


def _hash(kind: Kind, plugin: str) -> str:
    if kind == "attacks":
        read, library = file_entry(Spec(plugin)), library_of(plugin)
        if read is not None:
            return file_sha256(Path(read.file))
        if library is not None:
            return library.version
    return code_sha256(kind, plugin)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read once as long as it does not change; "" without one."""
    try:
        state = path.stat()
    except OSError:
        return ""
    return _file_sha256(path, state.st_mtime_ns, state.st_size)


@cache
def _file_sha256(path: Path, changed: int, size: int) -> str:
    return sha256_of(path)
