"""Evasion attacks of ART, as `art:NAME` or by dotted name, and bare classes of plug-ins."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from art.attacks import evasion
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator

from benchmark.attacks.adapters.counted_network import counted_by_network
from benchmark.attacks.adapters.inner_classifier import with_finite_gradients
from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.steps.checks import FloatArray, Labels
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.plugins import import_from_art
from estimators.spec import Spec, Value

# what no parameter of a class says; others are of Linf
NORMS = {"BoundaryAttack": "2", "CarliniL0Method": "0", "DeepFool": "2", "ElasticNet": "1"}
NORMS |= {"NewtonFool": "2", "PixelAttack": "0", "SaliencyMapMethod": "0", "ThresholdAttack": "inf"}
NORMS |= {"ZooAttack": "2", "GeoDA": "2", "SignOPTAttack": "2"}
# parts of the names of classes that return patches, attack videos, tables, single images or other
# networks, or need probabilities
WITHOUT = {"AdversarialPatch", "GRAPHITE", "OverTheAir", "LowProFool", "TensorFlow", "SimBA"}
WITHOUT |= {"ShadowAttack", "VirtualAdversarial", "FeatureAdversaries", "Composite", "Targeted"}


@dataclass(frozen=True, kw_only=True)
class ClassEntry(AttackEntry):
    """A row made of a class: its signature says which parameters and defaults it has.

    cls: the class, called with the classifier first.
    by_network: passes are counted at the network, so that those of a classifier that the class
        makes itself count, too.
    """

    cls: type[EvasionAttack]
    by_network: bool = False

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
        attack = with_finite_gradients(self.cls(classifier, **chosen), classifier)
        return CountedByNetwork(attack, classifier) if self.by_network else attack


class CountedByNetwork(EvasionAttack):  # type: ignore[misc]
    """An attack of ART whose passes are counted at the network."""

    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(self, attack: EvasionAttack, classifier: Classifier) -> None:
        super().__init__(estimator=classifier)
        self._attack = attack

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Return what the attack makes of a copy of images [N, C, H, W] and labels [N]."""
        with counted_by_network(self.estimator):
            images: FloatArray = self._attack.generate(x.copy(), y=None if y is None else y.copy())
        return images


@cache
def attacks() -> Mapping[str, ClassEntry]:
    """Return the attacks of ART that a classifier of images allows, by the class' name."""
    found = {}
    for name, cls in sorted(vars(evasion).items()):
        if not (isinstance(cls, type) and issubclass(cls, EvasionAttack)):
            continue
        fits = all(issubclass(Classifier, one) for one in _needs(cls))
        needs = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
        # without objects that a grid cannot write
        if fits and len(needs) <= 1 and not any(part in name for part in WITHOUT):
            entry = class_entry(Spec(f"art.attacks.evasion.{name}"), None)
            norm = NORMS.get(name, entry.norm)
            found[name] = replace(entry, name=f"art:{name}", norm=norm, by_network=True)
    return found


def _needs(cls: Any) -> tuple[type, ...]:
    """Return the classes that an estimator must be derived from."""
    return tuple(cls._estimator_requirements)


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
