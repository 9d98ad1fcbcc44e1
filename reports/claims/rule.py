"""A claim's parts and the rule that turns an interval into a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from reports.claims.sources import Sources

Verdict = Literal["supported", "contradicted", "undecided"]


class Effect(NamedTuple):
    """What was measured: the estimate with its 95 % limits, and how many units it stands on.

    units: images or training seeds, as text (`1000 images`).
    """

    value: float
    low: float
    high: float
    units: str


@dataclass(frozen=True)
class Rule:
    """A bound that the whole interval of an effect must pass.

    effect: what is measured, as text, with its unit.
    holds: the side of the bound on which the claim is true.
    bound: in the unit of the effect.
    """

    effect: str
    holds: Literal["above", "below"]
    bound: float

    def decide(self, effect: Effect) -> Verdict:
        """Supported where the interval lies on the claimed side of the bound, contradicted where
        it lies on the other, undecided where it holds the bound, or where there is none.
        """
        if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
            return "undecided"
        above, below = effect.low > self.bound, effect.high < self.bound
        if self.holds == "below":
            above, below = below, above
        return "supported" if above else "contradicted" if below else "undecided"

    def __str__(self) -> str:
        return f"{self.effect}: {self.holds} {self.bound:g}"


@dataclass(frozen=True)
class Part:
    """One measurable piece of a claim.

    name: what it says, in a few words.
    subject: network and data set, as text.
    attacker: `oblivious`, `adaptive`, or empty where the claim is about neither.
    rule: how it is decided.
    measure: the effect from what is on disk; raises `Missing` where that is not there.
    """

    name: str
    subject: str
    attacker: str
    rule: Rule
    measure: Callable[[Sources], Effect]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper. number: as in docs/paper.md. text: what is claimed. parts: all of
    them must be supported for the claim to be."""

    number: str
    text: str
    parts: tuple[Part, ...]


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Of a claim's parts: contradicted where one is, supported where all are, else undecided."""
    seen = set(verdicts)
    if "contradicted" in seen:
        return "contradicted"
    return "supported" if seen == {"supported"} else "undecided"
