"""The name and parameters of a defence, checked before torch is loaded."""

from __future__ import annotations

from estimators.defences.registry import DEFENCE_PATTERNS, DEFENCES, JOIN
from estimators.errors import InputError, unknown
from estimators.plugins import check_art_name, installed, is_plugin
from estimators.spec import Spec, Value


def check_defence(spec: Spec) -> None:
    """Raise InputError for an unknown defence or parameter, and for one that is missing.

    No code of a defence is imported. Parameters of plug-ins and of ART's classes are left to what
    builds them.
    """
    if JOIN in spec.name:
        for member in chain_members(spec):
            check_defence(member)
    elif spec.name in DEFENCES:
        row = DEFENCES[spec.name]
        known = [*row.values, *row.defaults]
        for name in spec.kwargs:
            if name not in known:
                raise unknown(f"parameter of the defence {spec.name}", name, known or ["(none)"])
        missing = [name for name in row.values if name not in spec.kwargs]
        if missing:
            raise needs(spec, missing)
    elif not is_plugin("defences", spec.name):
        if "." not in spec.name:
            raise unknown_defence(spec.name)
        check_art_name(spec.name, "defence")


def chain_members(spec: Spec) -> list[Spec]:
    """Return the defences of a chain, in their order.

    Raises InputError for a parameter of another member.
    """
    params: dict[str, tuple[str, dict[str, Value]]] = {}
    for name in spec.name.split(JOIN):
        times = sum(other == name for other, _ in params.values()) + 1
        params[name if times == 1 else f"{name}{times}"] = (name, {})
    for key, value in spec.params:
        member, _, param = key.rpartition(".")
        if member not in params:
            known = [f"{member}.PARAMETER" for member in params]
            raise unknown(f"parameter of the defence {spec.name}", key, known)
        params[member][1][param] = value
    return [Spec.of(name, own) for name, own in params.values()]


def needs(spec: Spec, missing: list[str]) -> InputError:
    """Return the error for a defence without parameters that it needs."""
    return InputError(f"defence {spec}: needs the parameter {', '.join(missing)}")


def unknown_defence(name: str) -> InputError:
    """Return the error for a name that no defence has."""
    others = [found.name for found in installed("defences")]
    return unknown("defence", name, [*DEFENCES, *DEFENCE_PATTERNS, *others])
