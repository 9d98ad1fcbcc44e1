"""Test cases, as CI systems show them: the common form of comparisons, requirements and audits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Case:
    """One thing that was checked.

    name: what, in words; unique in its suite. status: how it ended. message: why, in one line;
    empty for a case that passed. details: further lines.
    """

    name: str
    status: Status
    message: str = ""
    details: str = ""


@dataclass(frozen=True)
class Suite:
    """Cases that belong together.

    name: what was checked, in words. rule: its id for machines, such as `requirement`. cases: each
    once, in the order in which they are shown. file: the table that was checked.
    """

    name: str
    rule: str
    cases: tuple[Case, ...]
    file: str = ""

    def count(self, status: Status) -> int:
        """Return how many cases ended so."""
        return sum(case.status == status for case in self.cases)


def failed(suites: Iterable[Suite]) -> int:
    """Return how many cases failed."""
    return sum(suite.count("failed") for suite in suites)


def unique(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return the cases with a number behind each name that was there before."""
    seen: Counter[str] = Counter()
    out = []
    for case in cases:
        seen[case.name] += 1
        number = seen[case.name]
        out.append(case if number == 1 else replace(case, name=f"{case.name} ({number})"))
    return tuple(out)
