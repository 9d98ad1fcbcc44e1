"""Group cells into tasks: cells that can share work become one task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from benchmark.attacks.lookup import attack_entry, shares_gradient
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from benchmark.threats import threat
from estimators.data.samples import Samples
from estimators.defences.backward import Backward, has_surrogate
from estimators.defences.base import is_random
from estimators.defences.build import build_defence
from estimators.spec import Spec

BARE = Spec("none")


@dataclass(frozen=True)
class AttackerView:
    """The classifier that an attack is crafted on.

    network: the network to attack; for `transfer` another than the cell's.
    sees: the defence in front of it; `none` for an attacker who does not know the defence, and for
        an attack that ignores the model.
    backward: how gradients come back through that defence.
    draws: passes that each gradient is averaged over.
    """

    network: Spec
    sees: Spec = BARE
    backward: Backward = "identity"
    draws: int = 1


@dataclass(frozen=True)
class Task:
    """Cells whose adversarial images come from the same computation.

    dataset, samples, seed: as in the cells.
    attacks: the attacks to craft; several where they differ in eps alone and share one gradient.
    view: the classifier to craft them on.
    cells: the rows to fill. Images crafted without a defence are scored behind every defence, and,
        for `transfer`, on every network; those of an adaptive attacker behind the defence seen.
    keeps_images: the outcomes contain the adversarial images.
    """

    dataset: str
    samples: Samples
    seed: int
    attacks: tuple[Spec, ...]
    view: AttackerView
    cells: tuple[Cell, ...]
    keeps_images: bool = False

    @property
    def network(self) -> Spec:
        """Return the network that the attacks are crafted on."""
        return self.view.network

    @property
    def sees(self) -> Spec:
        """Return the defence that the attacker sees."""
        return self.view.sees

    @property
    def name(self) -> str:
        """Return the name of what is computed, for people."""
        return str(self.attacks[0].without("eps"))

    @property
    def about(self) -> str:
        """Return what is computed, for a log."""
        return f"{self.attacks}, {self.sees}"


@dataclass(frozen=True)
class ProofTask:
    """A certificate to compute; `cells` holds it alone."""

    cells: tuple[Proof]

    @property
    def proof(self) -> Proof:
        """Return the certificate."""
        return self.cells[0]

    @property
    def dataset(self) -> str:
        """Return the data set."""
        return self.proof.dataset

    @property
    def samples(self) -> Samples:
        """Return the number of images, or `all`."""
        return self.proof.samples

    @property
    def seed(self) -> int:
        """Return the seed of the subset."""
        return self.proof.seed

    @property
    def network(self) -> Spec:
        """Return the network."""
        return self.proof.network

    @property
    def name(self) -> str:
        """Return the name of what is computed, for people."""
        return self.proof.method.name

    @property
    def about(self) -> str:
        """Return what is computed, for a log."""
        return str(self.proof)


# what an executor computes
Work = Task | ProofTask


def plan(cells: Iterable[Cell]) -> list[Task]:
    """Return tasks that together fill the cells, those of one view on the same images together.

    So what attacks on one view share (`estimators.networks.running.kept`) is kept for few tasks.
    Otherwise tasks come in the order of the cells.

    Shared are: one gradient for all eps of a one-step attack; one set of adversarial images for all
    defences of an oblivious attacker, and for all networks of `transfer`. Threats that differ in
    nothing for a cell (no defence, no surrogate, no randomness) are computed once.
    """
    groups: dict[tuple[str, Samples, int, AttackerView, Spec], list[Cell]] = {}
    for cell in cells:
        family = cell.attack.without("eps") if shares_gradient(cell.attack) else cell.attack
        at = (cell.dataset, cell.samples, cell.seed, attacker_view(cell), family)
        groups.setdefault(at, []).append(cell)
    first = {at[:4]: n for n, at in reversed(list(enumerate(groups)))}
    return [
        Task(*at[:3], tuple(dict.fromkeys(c.attack for c in members)), at[3], tuple(members))
        for at, members in sorted(groups.items(), key=lambda group: first[group[0][:4]])
    ]


def attacker_view(cell: Cell) -> AttackerView:
    """Return the view of a cell's attacker, without differences that change nothing."""
    attack, attacker = attack_entry(cell.attack), threat(cell.threat)
    if attacker.source is not None:
        return AttackerView(attacker.source)
    if not attacker.entry.sees_defence or attack.ignores_model or cell.defence == BARE:
        return AttackerView(cell.network)
    backward = attacker.entry.backward
    smooth, random = _surrogate_and_draws(cell.defence)
    if backward == "identity" or not attack.uses_gradient or not smooth:
        return AttackerView(cell.network, cell.defence)
    return AttackerView(cell.network, cell.defence, backward, attacker.k if random else 1)


@cache
def _surrogate_and_draws(defence: Spec) -> tuple[bool, bool]:
    """Return whether a defence has a differentiable surrogate, and whether it is random."""
    built = build_defence(defence)
    return has_surrogate(built), is_random(built)
