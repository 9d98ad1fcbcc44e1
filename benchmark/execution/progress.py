"""The hooks by which work reports what it does. Importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.execution.plan import Work
    from reports.style.labels import Labels


@dataclass(frozen=True)
class Progress:
    """Functions that a run, a study or a training calls while it works; by default they do nothing.

    The first six come from runs and their trainings. The others say the same in words and shares,
    for any kind of work: `benchmark.terminal.shares` translates the first into them.

    message: called with one line of text, which stays.
    started: called once with the number of cells to compute, the number of stored cells that are
        reused, and the expected work in seconds.
    advanced: called with a task, the work that was done for it, and the number of cells that are
        now finished.
    epoch: called after each epoch of a training with its row of the history.
    labels: called once, before `started`, with what is shown in place of names.
    finishing: called with what a run does after its last cell, as "drawing plots".
    place: called with where the work stands, as "study 5 of 12".
    step: called with what is done now, as "lenet on mnist, fgsm".
    share: called with the share of the work that is done, from 0 to 1; never less than before.
    restart: called when another kind of work begins, whose shares count from 0 again.
    """

    message: Callable[[str], None] = lambda text: None
    started: Callable[[int, int, float], None] = lambda cells, reused, work: None
    advanced: Callable[[Work, float, int], None] = lambda task, work, cells: None
    epoch: Callable[[dict[str, float]], None] = lambda row: None
    labels: Callable[[Labels], None] = lambda labels: None
    finishing: Callable[[str], None] = lambda text: None
    place: Callable[[str], None] = lambda text: None
    step: Callable[[str], None] = lambda text: None
    share: Callable[[float], None] = lambda share: None
    restart: Callable[[], None] = lambda: None

    def within(self, share: Callable[[float], None]) -> Progress:
        """Return the hooks of a part of this work, which has no place of its own.

        share: takes the share of the part.
        """
        return replace(self, share=share, place=lambda text: None, restart=lambda: None)


@dataclass
class Parts:
    """Work in parts of known relative sizes, and the share of the whole that is done.

    report: takes the share of the whole.
    sizes: of the parts by name, in any unit.
    done: the parts that are finished.
    """

    report: Callable[[float], None]
    sizes: dict[str, float]
    done: dict[str, float]

    @classmethod
    def of(cls, report: Callable[[float], None], sizes: dict[str, float]) -> Parts:
        """Return the parts before any of them has begun."""
        return cls(report, dict(sizes), {})

    def share(self, name: str, share: float) -> None:
        """Report that so much of a part is done."""
        before = sum(self.done.values())
        total = before + sum(size for part, size in self.sizes.items() if part not in self.done)
        self.report((before + share * self.sizes[name]) / total if total else 1.0)

    def finish(self, name: str, reused: bool = False) -> None:
        """Count a part as finished.

        reused: it took no time, so it counts neither as done nor as work to do: the time left of
            the others comes from what was worked.
        """
        self.done[name] = 0.0 if reused else self.sizes[name]
        self.share(name, 0.0)
