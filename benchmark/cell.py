"""One cell of a grid: one row of the result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from estimators.spec import Spec
from reports.tables import SCHEMA

Threat = Literal["oblivious", "adaptive"]
Samples = int | Literal["all"]
THREATS: dict[str, str] = {
    "oblivious": "attacks the bare network, is scored behind the defence (the paper's setting)",
    "adaptive": "attacks through the defence, backward by BPDA with the identity (ART's estimate)",
}


@dataclass(frozen=True)
class Cell:
    """Everything that decides the numbers of one row, and nothing that does not.

    dataset: name of the data set.
    network, attack, defence: names with parameters; the attack's `eps` is one of them.
    threat: what the attacker knows.
    samples: images asked for.
    seed: decides the subset and what is random in the attack.
    """

    dataset: str
    network: Spec
    attack: Spec
    threat: Threat
    defence: Spec
    samples: Samples
    seed: int

    def key(self, data_sha256: str, weights_sha256: str) -> str:
        """16 hex digits for this cell on these very images and weights."""
        decides = [
            SCHEMA,
            self.dataset,
            self.network.canonical(),
            self.attack.canonical(),
            self.threat,
            self.defence.canonical(),
            self.samples,
            self.seed,
            data_sha256,
            weights_sha256,
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]

    @property
    def eps(self) -> float | None:
        """The attack's bound, where it has one."""
        eps = self.attack.get("eps")
        return float(eps) if isinstance(eps, (int, float)) else None

    def __str__(self) -> str:
        return f"{self.dataset}/{self.network} {self.attack} {self.threat} {self.defence}"
