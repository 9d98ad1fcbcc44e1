"""From an attack's name and parameters to its kind: ours, ART's by dotted name, plug-ins."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.registry import ATTACKS
from estimators.errors import InputError, unknown
from estimators.plugins import plugin
from estimators.spec import Spec


def attack_entry(spec: Spec) -> AttackEntry:
    """The kind of an attack by short name, or of an evasion attack by dotted name or plug-in."""
    if spec.name == "cw" and spec.get("engine") == "stock":
        # ART's class with ART's defaults: ours would take hours there
        return ATTACKS["cw-art"]
    if spec.name in ATTACKS:
        return ATTACKS[spec.name]
    found = plugin("attacks", spec.name)
    if isinstance(found, AttackEntry):
        return found
    if found is None and "." not in spec.name:
        others = ("art.attacks.evasion.NAME", "package.module:attack")
        raise unknown("attack", spec.name, [*ATTACKS, *others])
    from art.attacks.attack import EvasionAttack

    from estimators.plugins import import_from_art

    cls = import_from_art(spec.name, EvasionAttack, "attack") if found is None else found
    if not (isinstance(cls, type) and issubclass(cls, EvasionAttack)):
        raise InputError(f"attack {spec.name}: wanted an AttackEntry or a class of EvasionAttack")
    return _of_class(cls, spec)


def _of_class(cls: Any, spec: Spec) -> AttackEntry:
    """What can be said of a class of ART's kind: its parameters and their defaults."""
    known = inspect.signature(cls).parameters
    defaults = {k: _plain(p.default) for k, p in list(known.items())[1:] if k != "eps"}
    for param, value in (("batch_size", 125), ("verbose", False)):
        if param in defaults:
            defaults[param] = value
    first = next(iter(known))

    def build(classifier: Any, params: dict[str, Any]) -> Any:
        chosen = {k: v for k, v in {**defaults, **params}.items() if v is not None}
        if str(chosen.get("norm")) == "inf":
            chosen["norm"] = math.inf
        return cls(**{first: classifier}, **chosen)

    norm = spec.get("norm", defaults.get("norm", ("L2" in spec.name and 2) or "inf"))
    return AttackEntry(
        build, str(norm), "by dotted name", bounded="eps" in known, defaults=defaults
    )


def attack_norm(attack: Spec) -> str:
    """The norm of an attack: its own parameter where it has one, else that of its kind."""
    return str(attack.get("norm", attack_entry(attack).norm))


def shares_gradient(spec: Spec) -> bool:
    """Whether this attack at several eps is computed from one gradient; ART's own class is not."""
    return attack_entry(spec).shares_gradient and spec.get("engine", "fast") == "fast"


def check_attack(spec: Spec) -> Spec:
    """The spec with eps as a float; InputError for unknown parameters or a bad eps."""
    kind = attack_entry(spec)
    params = spec.kwargs
    for name in params:
        known = [*kind.params, *(["eps"] if kind.bounded else [])]
        if name not in known:
            raise unknown(f"parameter of the attack {spec.name}", name, known or ["(none)"])
    if kind.bounded:
        eps = params.get("eps")
        if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 <= eps < math.inf:
            raise InputError(f"attack {spec.name}: eps must be a number from 0 up, found {eps!r}")
        params["eps"] = float(eps)
    if params.get("engine", "fast") not in ("fast", "stock"):
        raise InputError(
            f"attack {spec.name}: engine must be fast or stock, found {params['engine']!r}"
        )
    for name, values in kind.allowed.items():
        if name in params and str(params[name]) not in values:
            raise InputError(
                f"attack {spec.name}: {name} must be {' or '.join(values)}, found {params[name]!r}"
            )
    queries = params.get("queries", 1)
    if isinstance(queries, bool) or not isinstance(queries, int) or queries < 1:
        raise InputError(f"attack {spec.name}: queries must be a number from 1 up: {queries!r}")
    _check_targets(spec, kind)
    return Spec.of(spec.name, params)


def _check_targets(spec: Spec, kind: AttackEntry) -> None:
    """InputError for targets that would be left out of account."""
    targeted = spec.get("targeted", False)
    if not isinstance(targeted, bool):
        raise InputError(f"attack {spec.name}: targeted must be true or false, found {targeted!r}")
    if not targeted and spec.get("target", "next") != "next":
        raise InputError(f"attack {spec.name}: a target needs targeted=true beside it")
    if targeted and not kind.stock_targets and spec.get("engine") == "stock":
        raise InputError(
            f"attack {spec.name}: ART's class takes no targets; leave out engine or targeted"
        )


def all_params(spec: Spec) -> str:
    """Every parameter of an attack but eps, given or by default, as JSON."""
    params = {**attack_entry(spec).defaults, **spec.kwargs}
    eps = params.pop("eps", None)
    if eps:
        params.update(attack_entry(spec).resolve_defaults({**params, "eps": eps}))
        params.pop("eps", None)
    return json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)


def _plain(value: Any) -> Any:
    """A default value as JSON knows it."""
    if value is inspect.Parameter.empty:
        return None
    return "inf" if isinstance(value, float) and math.isinf(value) else value
