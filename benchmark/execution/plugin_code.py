"""Hashes of the external code that decides the numbers of a cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from benchmark.attacks.lookup import is_ours
from benchmark.grids.cell import Cell
from estimators.defences.registry import DEFENCES, JOIN
from estimators.plugins import Kind
from estimators.source_code import code_sha256


def plugin_code(cell: Cell) -> dict[str, str]:
    """Return the SHA-256 of the code of a cell's external attack and defences, by name.

    A name reads `attacks/package.module:object`. The result is empty where attack and defences
    belong to this project or to ART, whose version is in the manifest. Networks are left out
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
        hashes[name] = code_sha256(cast(Kind, kind), plugin)
    return hashes
