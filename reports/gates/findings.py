"""The findings of an audit as test cases and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.audit.finding import STATUSES
from reports.gates.cases import Case, Status, Suite, unique
from reports.gates.markdown import Section
from reports.results.rows import Row, as_rows

# a warning is for a reader; only a failure ends a build
_ENDS: Mapping[str, Status] = {
    "fail": "failed",
    "warn": "passed",
    "not tested": "skipped",
    "ok": "passed",
}


def suites(findings: pd.DataFrame, file: str) -> list[Suite]:
    """Return one suite for an audit, with a case for each finding. file: `audit.csv`."""
    cases = []
    for row in as_rows(findings):
        status = _ENDS[row["status"]]
        message = "" if status == "passed" else f"{row['detail']} {row['advice']}".strip()
        cases.append(Case(f"{row['check']}: {_scope(row)}", status, message))
    return [Suite("checks against false robustness", "audit", unique(cases), file)]


def sections(findings: pd.DataFrame) -> list[Section]:
    """Return an audit as Markdown: the counts, and the findings that failed or warn."""
    counts = findings["status"].value_counts()
    total = ", ".join(f"{counts[s]} {s}" for s in STATUSES if s in counts) or "none"
    shown = [
        [row["status"], row["check"], _scope(row), row["detail"], row["advice"]]
        for row in as_rows(findings[findings["status"].isin(["fail", "warn"])])
    ]
    header = ["status", "check", "where", "what was seen", "advice"] if shown else []
    return [Section(f"Checks against false robustness: {total}", "", header, shown)]


def _scope(row: Row) -> str:
    names = ("dataset", "network", "attack", "threat", "defence")
    return ", ".join(str(row[name]) for name in names if row[name]) or "the whole run"
