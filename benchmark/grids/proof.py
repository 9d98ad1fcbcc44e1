"""One certificate that a grid asks for: a network, its images, a radius and a method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmark.attacks.lookup import attack_norm
from benchmark.certificates.lookup import VERSION, method_of
from benchmark.grids.cell import Cell, Inputs, decisive_samples
from benchmark.grids.expand import Entry, specs
from estimators.data.samples import Samples
from estimators.spec import Spec
from reports.results.schema import VERSION as SCHEMA

UNDEFENDED = Spec("none")


@dataclass(frozen=True)
class Proof:
    """Lower bounds of the margins of one network on some images.

    dataset, network, samples, seed: as in a cell. method: with all its parameters.
    eps: Linf radius in pixels of [0, 1].
    """

    dataset: str
    network: Spec
    method: Spec
    eps: float
    samples: Samples
    seed: int

    def key(self, inputs: Inputs) -> str:
        """Return 16 hex digits for this proof on these inputs: its name in the store."""
        decisive: list[object] = ["certificate", SCHEMA, VERSION, self.method.canonical(), self.eps]
        decisive += [self.dataset, self.network.canonical(), decisive_samples(self.samples)]
        decisive += [self.seed]
        decisive += [inputs.data, inputs.weights]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def covers(self, cell: Cell) -> bool:
        """Return whether a cell attacks these images of this network within this radius."""
        same = (cell.dataset, cell.network, cell.samples, cell.seed) == self._place
        return same and is_certifiable(cell) and cell.eps == self.eps

    @property
    def _place(self) -> tuple[str, Spec, Samples, int]:
        return self.dataset, self.network, self.samples, self.seed

    def __str__(self) -> str:
        return f"{self.dataset}/{self.network} {self.method} eps={self.eps:g}"


def is_certifiable(cell: Cell) -> bool:
    """Return whether a cell is one that a certificate speaks of: Linf, an eps, no defence."""
    bounded = cell.eps is not None and attack_norm(cell.attack) == "inf"
    return bounded and cell.defence == UNDEFENDED


def methods(certify: Entry | Sequence[Entry] | None) -> list[Spec]:
    """Return the methods that the key `certify` names, each with all its parameters.

    Raises InputError for an unknown method or parameter.
    """
    listed = [certify] if isinstance(certify, (str, dict)) else list(certify or ())
    return [method_of(spec) for spec in specs(listed, "certify")]


def proofs_of(cells: Iterable[Cell], certify: Entry | Sequence[Entry] | None) -> Iterator[Proof]:
    """Yield the proofs of some cells, by every method; one may come several times."""
    wanted = methods(certify)
    for cell in cells if wanted else ():
        if is_certifiable(cell):
            assert cell.eps is not None
            for method in wanted:
                place = cell.samples, cell.seed
                yield Proof(cell.dataset, cell.network, method, cell.eps, *place)
