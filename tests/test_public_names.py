"""What is public: the names of `benchmark`, and every field of a dataclass in its docstring."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

import benchmark

PACKAGES = ("benchmark", "estimators", "reports")
PUBLIC = ["AttackEntry", "DatasetEntry", "DefenceEntry", "Evaluation", "Findings", "NetworkEntry"]
PUBLIC += ["RunOptions", "StudyEntry", "ThreatEntry", "__version__"]
PUBLIC += ["evaluate", "export_maite", "load_grid", "run_grid"]


def dataclasses() -> Iterator[type]:
    """Every public dataclass of the packages, in the module that defines it."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            for value in vars(importlib.import_module(module.name)).values():
                if (
                    isinstance(value, type)
                    and is_dataclass(value)
                    and value.__module__ == module.name
                    and not value.__name__.startswith("_")
                ):
                    yield value


def undocumented(cls: type) -> list[str]:
    """Public fields that neither the docstring of the class nor that of a base names."""
    text = " ".join(base.__doc__ or "" for base in cls.__mro__ if is_dataclass(base))
    names = [field.name for field in fields(cls) if not field.name.startswith("_")]
    return [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_public_names() -> None:
    assert benchmark.__all__ == PUBLIC
    for name in PUBLIC:
        assert getattr(benchmark, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'grid'"):
        benchmark.grid  # noqa: B018


def test_every_field_of_a_dataclass_is_documented() -> None:
    classes = list(dataclasses())
    assert len(classes) > 20
    missing = {f"{cls.__module__}.{cls.__name__}": undocumented(cls) for cls in classes}
    assert not {name: found for name, found in missing.items() if found}
