"""A grid file is data: which of its names would import code, and are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from benchmark.grids.expand import Entry
from estimators.data.registry import FILES
from estimators.errors import InputError
from estimators.networks.registry import FAMILIES

# what stands before a colon and is no code of the file's choice
NOT_CODE: dict[str, tuple[str, ...]] = {
    "datasets": tuple(FILES),
    "networks": tuple(FAMILIES),
    "threats": tuple(FAMILIES),
}
_CODE = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*):(?=[A-Za-z_])")


def refuse_imports(entries: Iterable[tuple[str, Entry]]) -> None:
    """InputError where an entry names code outside ART and the installed plug-ins.

    entries: with the key of the grid file that each stands under.
    """
    for key, entry in entries:
        for text in _texts(entry):
            # `NAME:PARAMETER=VALUE`; no threat is code itself
            refuse_import(key, text.partition(":")[2] if key == "threats" else text)


def refuse_import(key: str, text: str) -> None:
    """InputError where a text of a grid file has `package.module:thing` in it: code to import."""
    allowed = NOT_CODE.get(key, ())
    if key == "datasets" and text.partition(":")[0] in allowed:
        return  # the rest is a path
    if any(found.group(1) not in allowed for found in _CODE.finditer(text)):
        raise InputError(
            f"key {key}: {text!r} is code to import, which a grid file may not ask for (a dotted"
            " name must begin with 'art.'); add --allow-import if you trust the file, or name it"
            " on the command line"
        )


def _texts(entry: Any) -> Iterator[str]:
    """The name of an entry and every text among its parameters; a file of weights is data."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list):
        for value in entry:
            yield from _texts(value)
    elif isinstance(entry, dict):
        yield from _texts([value for param, value in entry.items() if param != "weights"])
