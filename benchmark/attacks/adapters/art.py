"""Any evasion attack of ART by dotted name, and bare classes of plug-ins."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from art.attacks.attack import EvasionAttack

from benchmark.attacks.adapters.inner_classifier import with_finite_gradients
from benchmark.attacks.entry import AttackEntry
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.plugins import import_from_art
from estimators.spec import Spec, Value


@dataclass(frozen=True, kw_only=True)
class ClassEntry(AttackEntry):
    """A row made of a class: its signature says which parameters and defaults it has.

    cls: the class, called with the classifier first.
    """

    cls: type[EvasionAttack]

    def load(self) -> Callable[..., EvasionAttack]:
        """Return a builder that leaves out parameters without a value, and reads norm `inf`."""
        return self._build

    def _build(self, classifier: Classifier, **params: object) -> EvasionAttack:
        known = inspect.signature(self.cls).parameters
        chosen = {
            name: _like(known[name].default, name, value)
            for name, value in params.items()
            if value is not None
        }
        return with_finite_gradients(self.cls(classifier, **chosen), classifier)


def class_entry(spec: Spec, plugin: object | None) -> ClassEntry:
    """Return the entry of a plug-in's class, or of a class of ART where `plugin` is None.

    Raises InputError for anything but a class of EvasionAttack.
    """
    cls = import_from_art(spec.name, EvasionAttack, "attack") if plugin is None else plugin
    if not (isinstance(cls, type) and issubclass(cls, EvasionAttack)):
        raise InputError(
            f"attack {spec.name}: expected an AttackEntry or a class of EvasionAttack,"
            f" got {type(cls).__name__}"
        )
    known = inspect.signature(cls).parameters
    defaults = {k: _plain(p.default) for k, p in list(known.items())[1:] if k != "eps"}
    ours: dict[str, Value] = {"batch_size": 125, "verbose": False}
    defaults |= {param: value for param, value in ours.items() if param in defaults}
    norm = spec.get("norm", defaults.get("norm", ("L2" in spec.name and 2) or "inf"))
    return ClassEntry(
        name=spec.name,
        build=f"{cls.__module__}:{cls.__qualname__}",
        summary=(inspect.getdoc(cls) or "").partition("\n")[0],
        cls=cls,
        norm=str(norm),
        bounded="eps" in known,
        defaults=defaults,
    )


def _like(default: object, name: str, value: object) -> object:
    """Return a value in the type of the class's own default, which some classes insist on.

    Raises InputError for a text, True, False or NaN where the default is a number.
    """
    if name == "norm":
        return str(value) if isinstance(default, str) else math.inf if value == "inf" else value
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        return value
    if isinstance(value, (bool, str)) or value != value:
        raise InputError(f"expected {name} to be a number, got {value!r}")
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _plain(value: object) -> Value:
    """Return a default value as JSON knows it."""
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    return None if value is inspect.Parameter.empty else cast(Value, value)
