"""The entries of a grid file, and the specs that each stands for."""

from __future__ import annotations

import itertools
import math
from typing import Any

from benchmark.threats import threat_text
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

Scalar = bool | int | float | str | None
Entry = str | dict[str, Scalar | list[Scalar | list[Scalar]]]
# of one product; the largest shipped grid has 6,266 cells
MOST_CELLS = 1_000_000
# a list in these is one value, a number for each channel
VECTORS = ("mean", "std")


def specs(entries: list[Entry], key: str) -> list[Spec]:
    """Entries as specs; lists of values are multiplied out."""
    found = []
    for entry in entries:
        if isinstance(entry, str):
            found.append(Spec(entry))
            continue
        name = entry.get("name")
        if not isinstance(name, str):
            raise InputError(f"key {key}: an entry needs a `name`, found {entry!r}")
        params: dict[str, list[Any]] = {
            k: v if isinstance(v, list) and k not in VECTORS else [v]
            for k, v in entry.items()
            if k != "name"
        }
        for values in itertools.product(*params.values()):
            found.append(Spec.of(name, dict(zip(params, values, strict=True))))
    return found


def threats(entries: list[Entry]) -> list[str]:
    """Entries as the results name threats; a string may be NAME:PARAMETER=VALUE."""
    return [
        threat_text(spec)
        for entry in entries
        for spec in ([parse_spec(entry)] if isinstance(entry, str) else specs([entry], "threats"))
    ]


def entry_of(spec: Spec) -> Entry:
    """A spec as a grid file has it, where a list stands for several values."""
    params: dict[str, Any] = {
        name: value
        if not isinstance(value, tuple)
        else list(value)
        if name in VECTORS
        else [list(value)]
        for name, value in spec.params
    }
    return {"name": spec.name, **params} if params else spec.name


def entry_name(entry: Entry) -> str:
    """The name of an entry, without parameters."""
    return entry if isinstance(entry, str) else str(entry.get("name"))


def check_size(others: int, *entries: list[Entry]) -> None:
    """Raise InputError for a product of too many cells before any of it is multiplied out."""
    size = others
    for listed in entries:
        size *= sum(
            math.prod(len(v) for v in entry.values() if isinstance(v, list))
            if isinstance(entry, dict)
            else 1
            for entry in listed
        )
    if size > MOST_CELLS:
        raise InputError(
            f"a product of {min(size, 10**15):,} cells or more; at most {MOST_CELLS:,} wanted:"
            " shorten its lists"
        )
