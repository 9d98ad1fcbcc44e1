"""One cell of a grid: one row of the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from estimators.spec import Spec
from reports.results.columns import SCHEMA

Samples = int | Literal["all"]


@dataclass(frozen=True)
class Cell:
    """Everything that decides the numbers of one row, and nothing that does not.

    dataset: name of the data set.
    network, attack, defence: names with parameters; the attack's `eps` is one of them.
    threat: what the attacker knows, as `threats.threat_text` writes it.
    samples: images asked for.
    seed: decides the subset and what is random in the attack.
    """

    dataset: str
    network: Spec
    attack: Spec
    threat: str
    defence: Spec
    samples: Samples
    seed: int

    def key(
        self,
        data_sha256: str,
        weights_sha256: str,
        source_sha256: str = "",
        code: Mapping[str, str] | None = None,
    ) -> str:
        """16 hex digits for this cell on these very images and weights.

        source_sha256: the weights of the network that `transfer` crafts on.
        code: hashes of the code of others that it runs (`plugin_code.plugin_code`).
        """
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
            *([source_sha256] if source_sha256 else []),
            *([dict(sorted(code.items()))] if code else []),
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]

    @property
    def eps(self) -> float | None:
        """The attack's bound, where it has one."""
        eps = self.attack.get("eps")
        return float(eps) if isinstance(eps, (int, float)) else None

    def __str__(self) -> str:
        return f"{self.dataset}/{self.network} {self.attack} {self.threat} {self.defence}"
