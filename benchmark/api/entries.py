"""What a caller names, as entries of a grid: attacks with eps and norm, defences, threats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.lookup import attack_entry
from benchmark.grids.asked import asked_entry
from benchmark.grids.expand import Entry
from benchmark.grids.plain_values import plain_values
from benchmark.grids.short_form import read_entry
from estimators.errors import InputError
from estimators.spec import Spec, Value
from estimators.yaml_values import read_number
from reports.results.norms import norm_text

# one name, one spec, or one mapping of `name` and parameters
Named = str | Spec | Mapping[str, Any]


def several(value: Any) -> list[Any]:
    """Return what may be one thing or several as a list."""
    if isinstance(value, (str, Spec, Mapping)):
        return [value]
    if not isinstance(value, Iterable):
        raise InputError(f"expected a name or a list of names, got {value!r}")
    return list(value)


def entry(named: Named, key: str) -> dict[str, Any]:
    """Return a name, a spec or a mapping as an entry of a grid; a list means several values.

    key: of a grid file: `attacks`, `defences`, ...
    """
    if isinstance(named, Mapping):
        found: dict[str, Any] = plain_values(named)
        if not isinstance(found.get("name"), str):
            raise InputError(f"{key}: an entry needs a `name`, got {dict(named)!r}")
        return found
    if not isinstance(named, (str, Spec)):
        got = type(named).__name__
        raise InputError(f"{key}: expected a name or a mapping with `name`, got {got}")
    asked = asked_entry(key, read_entry(named, key) if isinstance(named, str) else named)
    return dict(asked) if isinstance(asked, dict) else {"name": asked}


def attack_entries(attacks: Any, eps: Any, norm: Any) -> list[Entry]:
    """Return attacks as entries, with eps and norm where they take them and have none themselves.

    Raises InputError for a bounded attack without eps, for an eps that no attack takes, and for a
    bounded attack that would read eps in another norm than the one asked for.
    """
    values, order = _eps_values(eps), None if norm is None else norm_text(norm)
    found = [entry(named, "attacks") for named in several(attacks)]
    if not found:
        raise InputError("attacks: name at least one, such as attacks=['fgsm', 'pgd']")
    taken = False
    for own in found:
        row = _row(own)
        if order is not None and "norm" not in own:
            if "norm" in row.params:
                own["norm"] = _norm_value(order)
            elif row.bounded and "eps" not in own and row.norm != order:
                raise InputError(
                    f"attack {own['name']}: has the norm {row.norm} and takes no other; leave it"
                    f" out, or give it an eps of its own: {own['name']}:eps=VALUE"
                )
        if row.bounded and "eps" not in own:
            if values is None:
                raise InputError(
                    f"attack {own['name']}: needs an eps; pass eps='8/255', or write"
                    f" {own['name']}:8/255"
                )
            own["eps"], taken = values, True
    if values is not None and not taken:
        names = ", ".join(own["name"] for own in found)
        raise InputError(f"eps: none of the attacks takes it ({names}); leave it out")
    return list(found)


def _row(own: Mapping[str, Any]) -> AttackEntry:
    """Return the row of an attack's entry; a file of images is bounded only with an eps."""
    params: dict[str, Value] = {"eps": 0.0} if "eps" in own else {}
    return attack_entry(Spec.of(own["name"], params))


def _norm_value(order: str) -> Value:
    return order if order == "inf" or not order.isdecimal() else int(order)


def _eps_values(eps: Any) -> Any:
    """Return eps as a number or a list of numbers; a text such as `8/255` is a number, too."""
    if eps is None:
        return None
    plain = plain_values(eps)
    values = plain if isinstance(plain, list) else [plain]
    if not values:
        raise InputError("eps: expected a number such as '8/255', got an empty list")
    try:
        numbers = [read_number(v.strip()) if isinstance(v, str) else v for v in values]
    except InputError as error:
        raise InputError(f"eps: {error}; write '8/255' or 0.03") from error
    return numbers if isinstance(plain, list) else numbers[0]
