"""From an attack's spec to its entry, its parameters and its expected cost."""

from __future__ import annotations

import json
import math
import re
import reprlib

from benchmark.attacks.adapters.library import Library
from benchmark.attacks.corruptions.kinds import FAMILY, corruption_entry
from benchmark.attacks.entry import AttackEntry, FileEntry
from benchmark.attacks.registry import ATTACK_PATTERNS, ATTACKS, FILES, LIBRARIES
from estimators.errors import InputError, unknown
from estimators.plugins import plugin
from estimators.spec import Spec, Value
from estimators.yaml_values import one_form
from reports.results.norms import norm_text

# time of a gradient (forward and backward pass) in forward passes
GRADIENT = 3.0
# in the L2 norm 10^6 moves every pixel of 10^12 by 1
MOST_EPS = 1e6
# of the order of a norm, as text
MOST_DIGITS = 20


def library_of(name: str) -> Library | None:
    """Return the library of an attack that is named `library:NAME`; None for other names."""
    family, colon, _ = name.partition(":")
    return LIBRARIES.get(family) if colon else None


def attack_entry(spec: Spec) -> AttackEntry:
    """Return the entry of an attack by short name, of a file, of a library, or of a plug-in.

    Raises InputError for a name that leads nowhere.
    """
    if spec.name in ATTACKS:
        return ATTACKS[spec.name]
    read = file_entry(spec)
    if read is not None:
        return read
    library = library_of(spec.name)
    if library is not None:
        return library.attack(spec.name)
    corruption = corruption_entry(spec.name)
    if corruption is not None:
        return corruption
    thing = plugin("attacks", spec.name)
    if isinstance(thing, AttackEntry):
        return thing
    if thing is None and "." not in spec.name:
        raise unknown("attack", spec.name, [*ATTACKS, *ATTACK_PATTERNS])
    # inside: it imports ART, which `bench list` must not
    from benchmark.attacks.adapters.art import class_entry

    return class_entry(spec, thing)


def file_entry(spec: Spec) -> FileEntry | None:
    """Return the entry of an attack that reads a file, such as `images:FILE`; None for others."""
    family, colon, _ = spec.name.partition(":")
    row = FILES.get(family) if colon else None
    return row and row.of(spec.name, bounded="eps" in spec.kwargs)


def is_ours(spec: Spec) -> bool:
    """Return whether an attack is code of this project: a row of the registry or a corruption."""
    return spec.name in ATTACKS or spec.name.startswith(f"{FAMILY}:")


def attack_norm(attack: Spec) -> str:
    """Return the norm of an attack: its own parameter where it has one, else its entry's."""
    return str(attack.get("norm", attack_entry(attack).norm))


def shares_gradient(spec: Spec) -> bool:
    """Return whether this attack at several eps needs one gradient; ART's own class needs more."""
    return attack_entry(spec).shares_gradient and spec.get("engine", "fast") == "fast"


def expected_passes(spec: Spec, classes: int) -> float:
    """Return the expected cost of an attack per image, in forward passes; for the time left.

    A gradient averaged over k draws of a defence takes k times as long; that is not included.
    """
    entry = attack_entry(spec)
    try:
        params = entry.resolved(spec.kwargs)
        passes, beside = entry.passes(params, classes), entry.beside(params, classes)
    except (TypeError, ValueError):
        # bad parameters: the attack itself says so, when it is built
        return GRADIENT
    return GRADIENT * passes.gradients + passes.forwards + beside


def all_params(spec: Spec) -> str:
    """Return every parameter of an attack but eps, given or by default, as JSON."""
    params = attack_entry(spec).resolved(spec.kwargs)
    params.pop("eps", None)
    return json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)


def check_attack(spec: Spec) -> Spec:
    """Return the spec with eps as a float and the norm as `inf` or a number.

    Raises InputError for unknown parameters and bad values. `steps.trial.check_built` finds what
    the attack's own code refuses.
    """
    entry = attack_entry(spec)
    params = spec.kwargs
    for name in params:
        if name in entry.moved:
            raise InputError(
                f"attack {spec.name}: {name} is a parameter of {entry.moved[name]}, the sequence"
                f" that was called {spec.name} before; name that, or leave {name} out"
            )
        known = [*entry.params, *(["eps"] if entry.bounded else [])]
        if name not in known:
            raise unknown(f"parameter of the attack {spec.name}", name, known or ["(none)"])
    if "norm" in params:
        params["norm"] = _norm(params["norm"])
    if entry.bounded:
        params["eps"] = _eps(spec, attack_norm(Spec.of(spec.name, params)))
    allowed = {"engine": ("fast", "stock"), **entry.allowed}
    for name, values in allowed.items():
        if name in params and str(params[name]) not in values:
            raise _bad(spec, name, " or ".join(values), params[name])
    for name in ("queries", "max_iter"):
        count = params.get(name, 1)
        if count is None and entry.params[name] is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise _bad(spec, name, "an integer from 1 up", count)
    _check_targets(spec, entry)
    return Spec.of(spec.name, params)


def _norm(value: Value) -> Value:
    """Return a norm as `inf` or a number; what is no norm as it is."""
    text = norm_text(value)
    if text == "inf":
        return text
    known = not isinstance(value, bool) and re.fullmatch(r"\d+(\.\d+)?", text)
    return one_form(float(text)) if known and len(text) < MOST_DIGITS else value


def _eps(spec: Spec, norm: str) -> float:
    """Return the bound of an attack as a float."""
    eps = spec.get("eps")
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 <= eps < math.inf:
        raise _bad(spec, "eps", "a number from 0 up", eps)
    if eps > 1 and norm == "inf":
        levels = f"; write {eps}/255 for {eps} grey levels of 255" if eps <= 255 else ""
        raise _bad(spec, "eps", "at most 1 (pixels lie in [0, 1])", eps, levels)
    if norm == "0" and eps != int(eps):
        raise _bad(spec, "eps", "a whole number (L0 counts values that change)", eps)
    if eps > MOST_EPS:
        raise _bad(spec, "eps", f"at most {MOST_EPS:g}", eps)
    return float(eps)


def _check_targets(spec: Spec, entry: AttackEntry) -> None:
    """Raise InputError for targets that would be ignored."""
    targeted = spec.get("targeted", False)
    if not isinstance(targeted, bool):
        raise _bad(spec, "targeted", "true or false", targeted)
    target = spec.get("target", "next")
    is_class = isinstance(target, int) and not isinstance(target, bool) and target >= 0
    if target != "next" and not is_class:
        raise _bad(spec, "target", "`next` or a class from 0 up", target)
    if not targeted and target != "next":
        raise InputError(f"attack {spec.name}: a target needs targeted=true")
    if targeted and not entry.stock_targets and spec.get("engine") == "stock":
        raise InputError(
            f"attack {spec.name}: ART's class takes no targets; leave out engine or targeted"
        )


def _bad(spec: Spec, name: str, expected: str, value: object, advice: str = "") -> InputError:
    got = f"got {reprlib.repr(value)}{advice}"
    return InputError(f"attack {spec.name}: expected {name} to be {expected}, {got}")
