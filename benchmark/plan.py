"""From cells to tasks: cells that can share work become one task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.attacks import attack_kind, shares_gradient
from benchmark.cell import Cell, Samples
from estimators.spec import Spec

BARE = Spec("none")


@dataclass(frozen=True)
class Task:
    """Cells whose adversarial images come from the same computation.

    dataset, network, samples, seed: as in the cells.
    attacks: the attacks to craft; several where they differ in eps alone and one gradient
        serves them all.
    sees: the defence that the attacker differentiates through; `none` for an oblivious attacker
        and for an attack that looks at no gradient.
    cells: the rows to fill. An oblivious task scores its images behind every defence, an
        adaptive one behind the defence that it sees.
    """

    dataset: str
    network: Spec
    samples: Samples
    seed: int
    attacks: tuple[Spec, ...]
    sees: Spec
    cells: tuple[Cell, ...]

    @property
    def defences(self) -> tuple[Spec, ...]:
        """The defences to score behind, in the order of the cells."""
        return tuple(dict.fromkeys(cell.defence for cell in self.cells))


def plan(cells: Iterable[Cell]) -> list[Task]:
    """Tasks that together fill the cells, in the order in which the cells come.

    Shared: one gradient for all eps of a one-step attack; one set of adversarial images for all
    defences of an oblivious attack; one gradient a defence for an adaptive one. An adaptive
    attacker on an undefended network is the oblivious one, and is computed once.
    """
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        kind = attack_kind(cell.attack)
        family = cell.attack.without("eps") if shares_gradient(cell.attack) else cell.attack
        sees = cell.defence if cell.threat == "adaptive" and kind.uses_gradient else BARE
        at = (cell.dataset, cell.network, cell.samples, cell.seed, family, sees)
        groups.setdefault(at, []).append(cell)
    tasks = []
    for group, members in groups.items():
        seen = group[-1]
        assert isinstance(seen, Spec)
        first = members[0]
        tasks.append(
            Task(
                dataset=first.dataset,
                network=first.network,
                samples=first.samples,
                seed=first.seed,
                attacks=tuple(dict.fromkeys(cell.attack for cell in members)),
                sees=seen,
                cells=tuple(members),
            )
        )
    return tasks
