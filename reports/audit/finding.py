"""What one check of an audit found in one scope."""

from __future__ import annotations

from typing import NamedTuple

# worst first: the order in which they are shown
STATUSES = ("fail", "warn", "not tested", "ok")
SCOPE = ("dataset", "network", "attack", "threat")


class Finding(NamedTuple):
    """One row of `audit.csv`.

    check: id of the check. dataset, network, attack, threat, defence: where it holds; an empty one
    means all that the run has. status: one of STATUSES. cases: cells or comparisons looked at.
    detail: what was seen, with numbers. advice: what to do; empty where nothing is to be done.
    """

    check: str
    dataset: str
    network: str
    attack: str
    threat: str
    defence: str
    status: str
    cases: int
    detail: str
    advice: str


COLUMNS = Finding._fields


def finding(
    scope: tuple[str, ...],
    status: str,
    cases: int,
    detail: str,
    advice: str = "",
    defence: str = "",
) -> Finding:
    """A finding in a scope (the first two or all four of SCOPE); the check's id is put in later."""
    dataset, network, attack, threat = (*scope, "", "")[:4]
    told = "" if status == "ok" else advice
    return Finding("", dataset, network, attack, threat, defence, status, cases, detail, told)


def count(number: int, thing: str) -> str:
    """`1 cell`, `2 cells`, `1,000 cells`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def percent(share: float) -> str:
    """`61.2 %`."""
    return f"{100 * share:.1f} %"
