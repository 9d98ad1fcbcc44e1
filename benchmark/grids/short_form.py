"""Short forms: `jpeg:75` is `jpeg:quality=75`, `pgd:8/255` is `pgd:eps=8/255`."""

from __future__ import annotations

from functools import partial

from benchmark.attacks.lookup import attack_entry
from estimators.defences.registry import DEFENCE_PATTERNS, DEFENCES, JOIN
from estimators.entries import DefenceEntry
from estimators.errors import InputError, unknown
from estimators.plugins import entry_of, plugin
from estimators.spec import Spec, parse_spec

# the keys of a grid file whose entries have short forms
KINDS = {"attacks": "attack", "defences": "defence"}


def read_entry(text: str, key: str) -> Spec:
    """Read an attack or a defence as the command line writes it, in its short form too.

    key: of a grid file. Other entries than those of KINDS have no short form.

    Raises InputError for a text of another form, and for a bare value of a name that has no main
    parameter.
    """
    return parse_spec(text, partial(main_parameter, key) if key in KINDS else None)


def main_parameter(key: str, name: str) -> str:
    """Return the parameter that a bare value stands for.

    That is the eps of a bounded attack, else a parameter without a default, else the only one.

    Raises InputError where there is no such parameter, and for an unknown name.
    """
    if key == "attacks":
        attack = attack_entry(Spec(name))
        needed, others = ["eps"] if attack.bounded else [*attack.values], [*attack.defaults]
    else:
        defence = _defence(name)
        needed = [*defence.values] if defence else []
        others = [*defence.defaults] if defence else []
    for params in (needed, others):
        if len(params) == 1:
            return params[0]
    where = f"{KINDS[key]} {name}"
    if key == "defences" and name in DEFENCES and not others:
        raise InputError(f"{where}: takes no parameter; write {name}")
    example = (needed or others or ["MEMBER.PARAMETER" if JOIN in name else "PARAMETER"])[0]
    raise InputError(f"{where}: which parameter has this value? write {name}:{example}=VALUE")


def _defence(name: str) -> DefenceEntry | None:
    """Return the row of a defence; None for a chain or for external code without a row."""
    found = None if JOIN in name else entry_of("defences", name, DEFENCES, DefenceEntry)
    known = found or JOIN in name or "." in name or plugin("defences", name) is not None
    if not known:
        raise unknown("defence", name, [*DEFENCES, *DEFENCE_PATTERNS])
    return found
