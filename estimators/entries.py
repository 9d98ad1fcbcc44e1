"""What every registry row has in common: a name, a label, and where its code is."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from estimators.spec import Value

E = TypeVar("E", bound="Entry")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a registry, or one plug-in: all that the rest must know without importing it.

    name: how grid files and the command line name it.
    build: `package.module:object` of its code, imported at its first use.
    summary: one line for `bench list`.
    label: how tables, plots and the page name it; the name itself where it is empty.
    defaults: its parameters, each with the value that it has where a grid names none.
    """

    name: str
    build: str
    summary: str
    label: str = ""
    defaults: Mapping[str, Value] = field(default_factory=dict)

    def load(self) -> object:
        """Import and return the object that `build` names."""
        return load_object(self.build)


def load_object(name: str) -> object:
    """Import and return the object of a `package.module:object`."""
    module_name, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module_name), attribute)


def table(*entries: E) -> dict[str, E]:
    """Return entries by name, in their order; ValueError for a name that comes twice."""
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) < len(entries):
        raise ValueError(f"a name comes twice: {[entry.name for entry in entries]}")
    return by_name
