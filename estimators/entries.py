"""What every registry row has in common: a name, a label, and where its code is."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

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
    values: parameters without a default, each with what it takes, as text for `bench list`.
    """

    name: str
    build: str
    summary: str
    label: str = ""
    defaults: Mapping[str, Value] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the object that `build` names."""
        return load_object(self.build)

    def modules(self) -> list[str]:
        """Return the modules that the row names: their code decides what the entry does."""
        return [self.build.partition(":")[0]]

    def parameters(self) -> str:
        """Return the parameters as `bench list` shows them: `quality=1 to 100 window_size=3`."""
        return parameter_text({**self.values, **self.defaults})

    @property
    def family(self) -> str:
        """Return what stands before the colon of a pattern such as `npz:PATH`; else ""."""
        family, colon, _ = self.name.partition(":")
        return family if colon else ""


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Entry):
    """A data set: `build` names a function of split ("train" or "test") and data directory.

    It returns `data.images.Images`, or arrays x and y.

    shape: of one image (C, H, W), where it is known without the files; else None.
    classes: names of the classes in the order of the labels; () where they are not known.
    """

    shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DefenceEntry(Entry):
    """A defence: `build` names a class or function that returns ART's Preprocessor, or None.

    It is called with the parameters of the spec and the defaults of this row. The defence itself
    declares what it offers beyond ART's interface: `surrogate`, `code_bytes`, `random` and `draw`
    (`defences.base`).

    random: it draws. A row of the registry says so that grids can be read without building it.
    """

    random: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkEntry(Entry):
    """A network: `build` names a class or function that returns an nn.Module.

    It is called with `shape` (C, H, W) and `classes` where it has these parameters, with the
    parameters of the spec and the defaults of this row, and maps images [N, C, H, W] in [0, 1] to
    logits [N, classes].

    recipes: how it is trained, by (data set, training): "" for plain training, else a name of
        `training_spec.TRAININGS`. Each is a mapping of fields of `training.recipes.Recipe`; what
        it leaves out has the default value there.
    """

    recipes: Mapping[tuple[str, str], Mapping[str, Value]] = field(default_factory=dict)


def parameter_text(params: Mapping[str, object]) -> str:
    """Return parameters as `name=value`; a parameter whose value is "" as its name alone."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in params.items()
    }
    return " ".join(f"{name}={text}" if text else name for name, text in texts.items())


def load_object(name: str) -> Any:
    """Import and return the object that `package.module:object` names.

    A module that is not found is looked for once more, from fresh listings of its folder: a listing
    may be older than a file, and a Dask worker was seen to miss a module of this package that was
    there. A module that is missing raises ModuleNotFoundError all the same.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError:
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    return getattr(module, attribute)


def table(*entries: E) -> dict[str, E]:
    """Return entries by name, in their order; ValueError for a name that comes twice."""
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) < len(entries):
        raise ValueError(f"a name comes twice: {[entry.name for entry in entries]}")
    return by_name
