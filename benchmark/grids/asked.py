"""An entry of the command line, where a list stands for several values as in a grid file."""

from __future__ import annotations

from benchmark.attacks.lookup import attack_entry, is_ours
from benchmark.grids.expand import VECTORS, Entry, entry_of, several
from estimators.defences.registry import DEFENCES, JOIN
from estimators.networks.known import WRAPPING
from estimators.networks.registry import NETWORKS
from estimators.spec import Spec


def asked_entry(key: str, spec: Spec) -> Entry:
    """Return the entry of a grid file that means the same as a spec of the command line.

    A list is one value where the parameter takes a list: `mean` and `std`, and parameters whose
    default is one. It is one value, too, under a parameter of somebody else's code, which may take
    lists; `eps`, and what every network takes, never do.

    key: the key of the grid file.
    """
    own = _parameters(key, spec)
    whole = {name for name, value in spec.params if not _is_several(name, own)}
    listed = several(spec.without(*whole))
    kept = entry_of(Spec(spec.name, tuple((k, v) for k, v in spec.params if k in whole)))
    parts = [{} if isinstance(entry, str) else entry for entry in (listed, kept)]
    merged = {name: value for part in parts for name, value in part.items() if name != "name"}
    return {"name": spec.name, **dict(sorted(merged.items()))} if merged else spec.name


def _is_several(name: str, own: dict[str, object] | None) -> bool:
    """Return whether a list under a parameter stands for several values.

    own: the parameters of the row with their defaults; None for somebody else's code.
    """
    if name in VECTORS:
        return False
    if own is None:
        return name in (*WRAPPING, "eps", "severity")
    return not isinstance(own.get(name), (tuple, list))


def _parameters(key: str, spec: Spec) -> dict[str, object] | None:
    """Return the defaults of a row of this package; None for a name of somebody else's code."""
    if key == "attacks":
        return dict(attack_entry(spec).defaults) if is_ours(spec) else None
    if key == "networks":
        return dict(NETWORKS[spec.name].defaults) if spec.name in NETWORKS else None
    if key == "defences":
        ours = all(name in DEFENCES for name in spec.name.split(JOIN))
        return {} if ours else None
    return {}
