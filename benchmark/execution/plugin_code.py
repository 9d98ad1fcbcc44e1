"""Which code of others decides the numbers of a cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from benchmark.attacks.registry import ATTACKS
from benchmark.grids.cell import Cell
from estimators.defences.registry import DEFENCES, JOIN
from estimators.plugins import Kind
from estimators.source_code import code_sha256


def plugin_code(cell: Cell) -> dict[str, str]:
    """SHA-256 of the code of its attack and its defences, as `attacks/package.module:thing`.

    Empty where these are ours or ART's (the manifest has ART's version). Networks are not here,
    since the hash of their weights covers their code, nor data sets, whose images are hashed.
    """
    names = [f"defences/{name}" for name in cell.defence.name.split(JOIN) if name not in DEFENCES]
    if cell.attack.name not in ATTACKS:
        names.append(f"attacks/{cell.attack.name}")
    return {name: sha256 for name, sha256 in named_code(names).items() if sha256}


def named_code(names: Iterable[str]) -> dict[str, str]:
    """The hashes, as this process has the code, of names that `plugin_code` gave."""
    found = {}
    for name in names:
        kind, _, thing = name.partition("/")
        found[name] = code_sha256(cast(Kind, kind), thing)
    return found
