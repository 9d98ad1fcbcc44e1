"""What attackers know, as grid files, the command line and the results name it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from estimators.entries import Entry, table
from estimators.errors import InputError, unknown
from estimators.spec import Spec, parse_spec


@dataclass(frozen=True, kw_only=True)
class ThreatEntry(Entry):
    """One threat. It takes at most one parameter (`defaults`), of two that have a meaning.

    `from` is the network to craft on, in the place of the one that is scored; it has no default.
    `k` is the number of draws of a randomised defence that each gradient is averaged over.

    sees_defence: the defence is part of what is attacked.
    backward: how gradients come back through that defence: `identity` (BPDA), or `surrogate`,
        through a differentiable one where there is one.
    """

    build: str = ""
    sees_defence: bool = False
    backward: Literal["identity", "surrogate"] = "identity"

    def parameters(self) -> str:
        """Return the parameter as `bench list` shows it."""
        return " ".join(f"{name}={value or 'NETWORK'}" for name, value in self.defaults.items())

    @property
    def param(self) -> str:
        """Return the name of its parameter; empty where it has none."""
        return next(iter(self.defaults), "")

    @property
    def crafted_elsewhere(self) -> bool:
        """Return whether the attack is crafted on another network than the scored one."""
        return self.param == "from"


# from the weakest to the strongest
THREATS: dict[str, ThreatEntry] = table(
    ThreatEntry(
        name="transfer", defaults={"from": None},
        summary="crafted on another bare network, scored behind the defence",
    ),
    ThreatEntry(
        name="oblivious",
        summary="attacks the bare network, is scored behind the defence (the paper's setting)",
    ),
    ThreatEntry(
        name="adaptive", sees_defence=True,
        summary="attacks through the defence, backward by BPDA with the identity (ART's estimate)",
    ),
    ThreatEntry(
        name="adaptive-diff", sees_defence=True, backward="surrogate",
        summary="the same, backward through a differentiable surrogate where there is one",
    ),
    ThreatEntry(
        name="adaptive-eot", sees_defence=True, backward="surrogate", defaults={"k": 16},
        summary="the same, gradients averaged over k draws of a randomised defence",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Threat:
    """A threat with its parameter.

    entry: its row of THREATS.
    k: draws that a gradient is averaged over.
    source: the network that the attack is crafted on; None for the one that is scored.
    """

    entry: ThreatEntry
    k: int = 1
    source: Spec | None = None


def threat_text(entry: str | Spec) -> str:
    """Return a threat as the results name it: `adaptive`, `adaptive-eot[k=16]`.

    entry: NAME or NAME:PARAMETER=VALUE as on the command line, or a spec. The network of
    `transfer` is written like `lenet:extra_layers=4`. Raises InputError for other texts.
    """
    spec = parse_spec(entry) if isinstance(entry, str) else entry
    if spec.name not in THREATS:
        raise unknown("threat", spec.name, THREATS)
    row = THREATS[spec.name]
    for name in spec.kwargs:
        if name != row.param:
            raise unknown(f"parameter of the threat {spec.name}", name, [row.param or "(none)"])
    if not row.param:
        return spec.name
    value = spec.get(row.param, row.defaults[row.param])
    if row.param == "from":
        if not isinstance(value, str) or not value:
            raise InputError(f"threat {row.name}: which network? {row.name}:from=NAME")
    elif isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
        raise InputError(f"threat {row.name}: expected {row.param} to be 1 to 10000, got {value!r}")
    return f"{spec.name}[{row.param}={value}]"


@cache
def threat(text: str) -> Threat:
    """Return the threat that a text of `threat_text` names."""
    name, bracket, rest = text.partition("[")
    param, _, value = rest.removesuffix("]").partition("=")
    row = THREATS.get(name)
    if row is None or param != row.param or (bracket and not rest.endswith("]")):
        raise unknown("threat", text, THREATS)
    if param == "k":
        return Threat(row, k=int(value))
    return Threat(row, source=parse_spec(value) if param else None)
