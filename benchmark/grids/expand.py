"""The entries of a grid file, and the specs that each stands for."""

from __future__ import annotations

import itertools
import math
from typing import Any

from benchmark.grids.short_form import KINDS, read_entry
from benchmark.threats import threat_text
from estimators.errors import InputError
from estimators.spec import Spec, is_short, parse_spec
from estimators.yaml_values import one_form

Scalar = bool | int | float | str | None
Entry = str | dict[str, Scalar | list[Scalar | list[Scalar]]]
# cells of one product; the largest shipped grid has 6,266
MOST_CELLS = 1_000_000
# a list under these parameters is one value: a number per channel
VECTORS = ("mean", "std")
# a list under these is several values on the command line too, where other lists are one value
SEVERAL = ("eps", "severity")
# what an entry may say of itself, beside its name and parameters
LABEL = "label"
# keys of a grid file whose entries may have one
LABELLED = ("datasets", "networks", "attacks", "defences")


def specs(entries: list[Entry], key: str) -> list[Spec]:
    """Return the specs of entries; a list of values stands for one spec per value.

    Equal numbers give equal specs: 2.0 is 2. A string may be a short form, as `jpeg:[75,50]`.
    A label is no part of a spec.

    key: the key of the grid file, for messages.
    """
    result = []
    for entry in entries:
        if isinstance(entry, str) and key in KINDS and is_short(entry):
            spec = read_entry(entry, key)
            entry = {"name": spec.name, **{k: _listed(value) for k, value in spec.params}}
        elif isinstance(entry, str) and entry.endswith("]") and key != "datasets":
            # as the results name it; a data set reads its brackets itself
            entry = entry_of(parse_spec(entry))
        if isinstance(entry, str):
            result.append(Spec(entry))
            continue
        name = entry.get("name")
        if not isinstance(name, str):
            raise InputError(f"key {key}: an entry needs a `name`, got {entry!r}")
        told = ("name", LABEL) if key in LABELLED else ("name",)
        own: dict[str, Any] = {k: one_form(v) for k, v in entry.items() if k not in told}
        params = {k: v if isinstance(v, list) and k not in VECTORS else [v] for k, v in own.items()}
        products = itertools.product(*params.values())
        result += [Spec.of(name, dict(zip(params, values, strict=True))) for values in products]
    return result


def _listed(value: Any) -> Any:
    """Return the values of a list in a short form as a grid file writes them."""
    return list(value) if isinstance(value, tuple) else value


def threats(entries: list[Entry]) -> list[str]:
    """Return entries as the results name threats; a string may be NAME:PARAMETER=VALUE."""
    return [
        threat_text(spec)
        for entry in entries
        for spec in specs(
            [several(parse_spec(entry)) if isinstance(entry, str) else entry], "threats"
        )
    ]


def entry_of(spec: Spec) -> Entry:
    """Return a spec as a grid file writes it, where a list stands for several values."""
    params: dict[str, Any] = dict(spec.params)
    for name, value in spec.params:
        if isinstance(value, tuple):
            params[name] = list(value) if name in (*VECTORS, *SEVERAL) else [list(value)]
    return {"name": spec.name, **params} if params else spec.name


def several(spec: Spec) -> Entry:
    """Return a spec as a grid file writes it; every list stands for several values."""
    params: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in spec.params}
    return {"name": spec.name, **params} if params else spec.name


def entry_name(entry: Entry) -> str:
    """Return the name of an entry, without parameters."""
    if isinstance(entry, str):
        return entry.rpartition(":")[0] if is_short(entry) else entry
    return str(entry.get("name"))


def check_size(factor: int, *entries: list[Entry]) -> None:
    """Raise InputError for a product of too many cells, before it is multiplied out.

    factor: the size of the rest of the product.
    """
    size = factor
    for listed in entries:
        params = [entry if isinstance(entry, dict) else {} for entry in listed]
        size *= sum(math.prod(len(v) for v in p.values() if isinstance(v, list)) for p in params)
    if size > MOST_CELLS:
        raise InputError(
            f"expected a product of at most {MOST_CELLS:,} cells, got {min(size, 10**15):,} or"
            " more: shorten its lists"
        )
