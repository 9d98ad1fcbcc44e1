"""One cell of a grid: one row of the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from estimators.data.samples import Samples, split_file
from estimators.spec import Spec
from reports.results.schema import VERSION as SCHEMA


@dataclass(frozen=True)
class Inputs:
    """Hashes of all that decides the numbers of a cell beside the cell itself.

    data: SHA-256 of the test images.
    weights: SHA-256 of the network's weights.
    source_weights: SHA-256 of the weights that a `transfer` attack is crafted on.
    code: SHA-256 of external code by name, as `plugin_code` returns it.
    revision: of the attack, `AttackEntry.revision`.
    """

    data: str = ""
    weights: str = ""
    source_weights: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""


@dataclass(frozen=True)
class Cell:
    """What the user asked for in one row.

    dataset: name of the data set.
    network, attack, defence: names with parameters; the attack's `eps` is one of them.
    threat: what the attacker knows, as `threats.threat_text` writes it.
    samples: which images, in a form of `checked_samples`.
    seed: decides the subset of images and what is random in the attack.
    draws: how often a random defence is scored; None for a defence that does not draw.
    """

    dataset: str
    network: Spec
    attack: Spec
    threat: str
    defence: Spec
    samples: Samples
    seed: int
    draws: int | None = None

    def key(self, inputs: Inputs) -> str:
        """Return 16 hex digits for this cell on these inputs: its name in the store."""
        specs = self.network, self.attack, self.defence
        network, attack, defence = (spec.canonical() for spec in specs)
        decisive: list[object] = [SCHEMA, self.dataset, network, attack, self.threat, defence]
        decisive += [decisive_samples(self.samples), self.seed, inputs.data, inputs.weights]
        decisive += [inputs.source_weights] if inputs.source_weights else []
        decisive += [dict(sorted(inputs.code.items()))] if inputs.code else []
        decisive += [f"attack revision {inputs.revision}"] if inputs.revision else []
        decisive += [{"draws": self.draws}] if self.scorings > 1 else []
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    @property
    def scorings(self) -> int:
        """How often each image is scored."""
        return self.draws or 1

    @property
    def eps(self) -> float | None:
        """The attack's bound in pixels of [0, 1]; None for an attack without one."""
        eps = self.attack.get("eps")
        return float(eps) if isinstance(eps, (int, float)) else None

    def __str__(self) -> str:
        return f"{self.dataset}/{self.network} {self.attack} {self.threat} {self.defence}"


def decisive_samples(samples: Samples) -> Samples:
    """Return what of a choice of images decides numbers: of a file of ids its hash alone."""
    _, digest = split_file(samples) if isinstance(samples, str) else ("", "")
    return f"ids#{digest}" if digest else samples
