"""How many images are proved right, and how many are not broken: a bracket per certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.results.certificates import BROKEN, OPEN, PLACE, PROVED
from reports.statistics.intervals import wilson
from reports.style.numbers import percent

# beside every figure of a bracket
LOOSE = (
    "The proofs are loose on networks that were not trained for them: an open image may well be"
    " robust. A complete method decides it by branching."
)


class Bracket(NamedTuple):
    """The robust accuracy of a network on some images, from both sides.

    dataset, network, samples, seed, method, eps: as in `certificates.COLUMNS`.
    n: images. proved: right within eps, by proof. standing: neither broken nor wrong.
    undecided: median over the open images of the ReLUs and pooled values that the bounds leave
        open, which a complete method may have to branch on; None without open images.
    """

    dataset: str
    network: str
    samples: str
    seed: int
    method: str
    eps: float
    n: int
    proved: int
    standing: int
    undecided: float | None

    @property
    def name(self) -> str:
        """The method without its parameters."""
        return self.method.partition("[")[0]

    def limits(self) -> tuple[float, float, float, float]:
        """Return the Wilson 95 % limits of the shares proved and standing, lower and upper."""
        (low, high), (under, over) = wilson(self.proved, self.n), wilson(self.standing, self.n)
        return float(low), float(high), float(under), float(over)

    def text(self) -> str:
        """Return the bracket in words."""
        low, _, _, high = self.limits()
        limits = f"{100 * low:.1f} to {100 * high:.1f} with both intervals"
        return (
            f"{percent(self.proved / self.n)} proved by {self.name},"
            f" {percent(self.standing / self.n)} not broken ({limits})"
        )

    def branching(self) -> str:
        """Return how much branching the open images would take, in words; "" without any."""
        if self.undecided is None:
            return ""
        n = round(self.undecided)
        return (
            f"the bounds leave a median of {n:,} choices per open image, at most 2^{n:,} branches"
        )


def brackets(certificates: pd.DataFrame | None) -> list[Bracket]:
    """Return the brackets of a table of certificates, in its order; none without one."""
    if certificates is None:
        return []
    found = []
    for place, group in certificates.groupby(list(PLACE), sort=False):
        counts = group["state"].value_counts()
        waiting = group.loc[group["state"] == OPEN, "undecided"]
        standing = len(group) - int(counts.get(BROKEN, 0))
        median = float(waiting.median()) if len(waiting) else None
        values: list[Any] = [*place, len(group), int(counts.get(PROVED, 0)), standing, median]
        found.append(Bracket(*values))
    return found


def best_bracket(
    found: Sequence[Bracket], dataset: str, network: str, eps: float
) -> Bracket | None:
    """Return the bracket of a network at an eps that proves the most images."""
    own = [b for b in found if (b.dataset, b.network) == (dataset, network)]
    return max((b for b in own if abs(b.eps - eps) < 1e-9), key=_better, default=None)


def widest_bracket(found: Sequence[Bracket], dataset: str, network: str) -> Bracket | None:
    """Return the best bracket of a network at the eps that leaves the most images open."""
    radii = {b.eps for b in found if (b.dataset, b.network) == (dataset, network)}
    best = (best_bracket(found, dataset, network, eps) for eps in sorted(radii))
    listed = [bracket for bracket in best if bracket is not None]
    return max(listed, key=lambda b: (b.standing - b.proved) / b.n, default=None)


def _better(bracket: Bracket) -> tuple[int, float]:
    """Order brackets by what they prove, then by how little they leave undecided."""
    return bracket.proved, -(bracket.undecided or 0.0)
