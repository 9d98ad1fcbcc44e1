"""What an attacker knows, as grid files, the command line and the results name it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from estimators.errors import InputError, unknown
from estimators.spec import Spec, parse_spec

THREATS: dict[str, str] = {
    "oblivious": "attacks the bare network, is scored behind the defence (the paper's setting)",
    "adaptive": "attacks through the defence, backward by BPDA with the identity (ART's estimate)",
    "adaptive-diff": "the same, backward through a differentiable stand-in where there is one",
    "adaptive-eot": "the same, gradients averaged over k draws of a randomised defence",
    "transfer": "crafted on another bare network, scored behind the defence",
}
# parameter, and its value where a grid names none
PARAMETERS: Mapping[str, tuple[str, int | None]] = {
    "adaptive-eot": ("k", 16),
    "transfer": ("from", None),
}


@dataclass(frozen=True)
class Threat:
    """What an attacker knows.

    name: one of THREATS.
    k: draws that a gradient is averaged over.
    source: the network that `transfer` crafts on.
    """

    name: str
    k: int = 1
    source: Spec | None = None

    @property
    def sees_defence(self) -> bool:
        """Whether the defence is part of what is attacked."""
        return self.name.startswith("adaptive")


def threat_text(entry: str | Spec) -> str:
    """A threat as the results name it: `adaptive`, `adaptive-eot[k=16]`, `transfer[from=resnet]`.

    entry: NAME or NAME:PARAMETER=VALUE as on the command line, or a spec. The network of
    `transfer` is written like `lenet:extra_layers=4`. Raises InputError for what cannot be.
    """
    spec = parse_spec(entry) if isinstance(entry, str) else entry
    if spec.name not in THREATS:
        raise unknown("threat", spec.name, THREATS)
    param, default = PARAMETERS.get(spec.name, ("", None))
    for name in spec.kwargs:
        if name != param:
            raise unknown(f"parameter of the threat {spec.name}", name, [param or "(none)"])
    if not param:
        return spec.name
    value = spec.get(param, default)
    if spec.name == "transfer":
        if not isinstance(value, str) or not value:
            raise InputError("threat transfer: which network? transfer:from=NAME")
    elif isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
        raise InputError(f"threat {spec.name}: {param} must be 1 to 10000, found {value!r}")
    return f"{spec.name}[{param}={value}]"


@cache
def threat(text: str) -> Threat:
    """What a text of `threat_text` says."""
    found = re.fullmatch(r"([a-z-]+)(?:\[(k|from)=(.+)\])?", text)
    if found is None or found[1] not in THREATS:
        raise unknown("threat", text, THREATS)
    name, param, value = found.groups()
    if param == "k":
        return Threat(name, k=int(value))
    return Threat(name, source=parse_spec(value) if param else None)
