"""From cells to tasks: cells that can share work become one task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from benchmark.attacks.lookup import attack_entry, shares_gradient
from benchmark.grids.cell import Cell, Samples
from benchmark.threats import threat
from estimators.defences.backward import Backward, has_surrogate
from estimators.defences.randomised import is_random
from estimators.spec import Spec

BARE = Spec("none")


@dataclass(frozen=True)
class AttackerView:
    """What an attacker has before him.

    network: the network that is attacked; another than the cell's for `transfer`.
    sees: the defence that the attacker passes; `none` for an oblivious attacker and for an
        attack that looks at nothing.
    backward: how gradients come back through that defence.
    draws: passes that a gradient is averaged over.
    """

    network: Spec
    sees: Spec = BARE
    backward: Backward = "identity"
    draws: int = 1


@dataclass(frozen=True)
class Task:
    """Cells whose adversarial images come from the same computation.

    dataset, samples, seed: as in the cells.
    attacks: the attacks to craft; several where they differ in eps alone and one gradient
        serves them all.
    view: what they are crafted on.
    cells: the rows to fill. The images of an attacker who sees no defence are scored behind
        every one (and on every network, where they are to transfer), those of an adaptive one
        behind the defence that it sees.
    """

    dataset: str
    samples: Samples
    seed: int
    attacks: tuple[Spec, ...]
    view: AttackerView
    cells: tuple[Cell, ...]

    @property
    def network(self) -> Spec:
        """The network that the attacks are crafted on."""
        return self.view.network

    @property
    def sees(self) -> Spec:
        """The defence that the attacker passes."""
        return self.view.sees

    @property
    def defences(self) -> tuple[Spec, ...]:
        """The defences to score behind, in the order of the cells."""
        return tuple(dict.fromkeys(cell.defence for cell in self.cells))


def plan(cells: Iterable[Cell]) -> list[Task]:
    """Tasks that together fill the cells, in the order in which the cells come.

    Shared: one gradient for all eps of a one-step attack; one set of adversarial images for all
    defences of an oblivious attack and all networks that it is to transfer to; one gradient a
    defence for an adaptive one. Attackers whose knowledge makes no difference (on an undefended
    network, without a better way back than the identity, without chance) are computed once.
    """
    groups: dict[tuple[object, ...], list[Cell]] = {}
    known: dict[tuple[object, ...], AttackerView] = {}
    for cell in cells:
        family = cell.attack.without("eps") if shares_gradient(cell.attack) else cell.attack
        view = attacker_view(cell)
        at = (cell.dataset, view, cell.samples, cell.seed, family)
        groups.setdefault(at, []).append(cell)
        known[at] = view
    return [
        Task(
            dataset=members[0].dataset,
            samples=members[0].samples,
            seed=members[0].seed,
            attacks=tuple(dict.fromkeys(cell.attack for cell in members)),
            view=known[at],
            cells=tuple(members),
        )
        for at, members in groups.items()
    ]


def attacker_view(cell: Cell) -> AttackerView:
    """What the attacker of a cell has before him, less all that makes no difference."""
    kind, said = attack_entry(cell.attack), threat(cell.threat)
    if said.source is not None:
        return AttackerView(said.source)
    if not said.sees_defence or kind.ignores_model or cell.defence == BARE:
        return AttackerView(cell.network)
    better, random = _nature(cell.defence)
    if said.name == "adaptive" or not kind.uses_gradient or not better:
        return AttackerView(cell.network, cell.defence)
    return AttackerView(cell.network, cell.defence, "surrogate", said.k if random else 1)


@cache
def _nature(defence: Spec) -> tuple[bool, bool]:
    """Whether a defence has a better way back than the identity, and whether it draws."""
    from estimators.defences.build import build_defence

    built = build_defence(defence)
    return has_surrogate(built), is_random(built)
