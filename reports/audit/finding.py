"""The result of one check of an audit in one scope."""

from __future__ import annotations

from typing import NamedTuple

# worst first: the order in which they are shown
STATUSES = ("fail", "warn", "not tested", "ok")
SCOPE = ("dataset", "network", "attack", "threat")


class Finding(NamedTuple):
    """One row of `audit.csv`.

    check: id of the check. dataset, network, attack, threat, defence: the scope; an empty one
    stands for all that the run has. status: one of STATUSES. cases: number of cells or comparisons.
    detail: the result in words, with numbers. advice: what to do; empty if there is nothing to do.
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
    """Return a finding in a scope (the first two or all four of SCOPE); `audit` adds the id."""
    dataset, network, attack, threat = (*scope, "", "")[:4]
    advice = "" if status == "ok" else advice
    return Finding("", dataset, network, attack, threat, defence, status, cases, detail, advice)
