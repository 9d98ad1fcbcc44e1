"""The parts of a claim, and the rule that turns an interval into a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from reports.claims.sources import Sources
from reports.style.labels import Labels

Verdict = Literal["supported", "contradicted", "undecided"]
# the networks of the paper
FOUR = (("mnist", "lenet"), ("mnist", "resnet"), ("cifar10", "lenet"), ("cifar10", "cnn"))


class Effect(NamedTuple):
    """An estimate with its 95 % limits.

    units: what the interval is over, as text (`1,000 images`, `5 training seeds`).
    """

    value: float
    low: float
    high: float
    units: str


@dataclass(frozen=True)
class Rule:
    """A bound for the whole interval of an effect.

    effect: what is measured, as text, with its unit.
    holds: the side of the bound on which the claim holds.
    bound: in the unit of the effect.
    """

    effect: str
    holds: Literal["above", "below"]
    bound: float

    def decide(self, effect: Effect) -> Verdict:
        """Return the verdict on an effect.

        Supported if the interval lies on the claimed side of the bound, contradicted if it lies on
        the other, undecided if it contains the bound or has no finite limits.
        """
        if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
            return "undecided"
        above, below = effect.low > self.bound, effect.high < self.bound
        if self.holds == "below":
            above, below = below, above
        return "supported" if above else "contradicted" if below else "undecided"

    @property
    def side(self) -> str:
        """The side of the bound, as text: `above 0.5`."""
        return f"{self.holds} {self.bound:g}"


@dataclass(frozen=True)
class Part:
    """One measurable part of a claim.

    name: what it says, in a few words.
    on: the data sets and networks that it is about, the second one compared with; or a text.
    attacker: `oblivious`, `adaptive`, or empty if the claim is about neither.
    rule: how it is decided.
    measure: returns the effect from the files of a run; raises `Missing` if they are not there.
    """

    name: str
    on: str | tuple[tuple[str, str], ...]
    attacker: str
    rule: Rule
    measure: Callable[[Sources], Effect]

    def subject(self, labels: Labels) -> str:
        """Return what the part is about, as text."""
        if isinstance(self.on, str):
            return self.on
        return " against ".join(labels.place(*place) for place in self.on)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    number: as in docs/paper.md. text: what is claimed. parts: all must be supported for the claim
    to be supported.
    """

    number: str
    text: str
    parts: tuple[Part, ...]


def each(
    places: Iterable[tuple[str, str]],
    name: str,
    rule: Rule,
    of: Callable[..., Effect],
    **arguments: str,
) -> Iterator[Part]:
    """Yield a part for each data set and network, measured by `of` with both and `arguments`."""
    for dataset, network in places:
        measure = partial(of, dataset=dataset, network=network, **arguments)
        yield Part(name, ((dataset, network),), arguments.get("attacker", ""), rule, measure)


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine verdicts: contradicted if one is, supported if all are, else undecided."""
    seen = set(verdicts)
    if "contradicted" in seen:
        return "contradicted"
    return "supported" if seen == {"supported"} else "undecided"
