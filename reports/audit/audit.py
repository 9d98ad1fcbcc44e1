"""The checklist against false robustness, on the results of a run.

After Carlini et al. 2019, "On Evaluating Adversarial Robustness" (arXiv:1902.06705), and Athalye
et al. 2018, "Obfuscated Gradients Give a False Sense of Security" (ICML, arXiv:1802.00420). Each
check tests what must hold if an attack works as intended; if it does not hold, a high accuracy may
come from a failing attack and not from a robust network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from reports.audit import cell_checks, pair_checks
from reports.audit.finding import COLUMNS, STATUSES, Finding
from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import read_csv, require
from reports.results.rows import Row, as_rows, select
from reports.worst_case.evidence import Evidence, read_evidence
from reports.worst_case.strongest import FILE as WORST_CASE
from reports.worst_case.strongest import worst_case, write_worst_case

FILE = "audit.csv"

# id of the check: (what must hold, how it is decided); the page and the docs show both
CHECKS: dict[str, tuple[str, str]] = {
    "eps-zero": ("Accuracy at eps 0 is the clean accuracy", cell_checks.EPS_ZERO_RULE),
    "budget": ("No image leaves its budget or [0, 1]", cell_checks.BUDGET_RULE),
    "logits": ("The output is logits, not probabilities", cell_checks.LOGITS_RULE),
    "wrapping": ("External networks are wrapped correctly", cell_checks.WRAPPING_RULE),
    "zero-gradient": ("Gradients are not zero", cell_checks.ZERO_GRADIENT_RULE),
    "monotone": ("Accuracy does not rise with eps", pair_checks.MONOTONE_RULE),
    "large-eps": ("A large eps reaches an accuracy of about 0", cell_checks.LARGE_EPS_RULE),
    "iterative": (
        "An iterative attack is not weaker than a one-step attack",
        pair_checks.ITERATIVE_RULE,
    ),
    "adaptive": ("A better-informed attacker is never weaker", pair_checks.ADAPTIVE_RULE),
    "white-box": (
        "An attack with gradients is not weaker than one without",
        pair_checks.WHITE_BOX_RULE,
    ),
    "control": ("The noise control is not stronger than the attack", pair_checks.CONTROL_RULE),
    "judged": ("Each defence was attacked by an attacker who sees it", cell_checks.JUDGED_RULE),
}

_RUN: dict[str, Callable[[Evidence], Iterator[Finding]]] = {
    "eps-zero": cell_checks.eps_zero,
    "budget": cell_checks.budget,
    "logits": cell_checks.logits,
    "wrapping": cell_checks.wrapping,
    "zero-gradient": cell_checks.zero_gradient,
    "monotone": pair_checks.monotone,
    "large-eps": cell_checks.large_eps,
    "iterative": pair_checks.iterative,
    "adaptive": pair_checks.adaptive,
    "white-box": pair_checks.white_box,
    "control": pair_checks.control,
    "judged": cell_checks.judged,
}


def audit(evidence: Evidence) -> pd.DataFrame:
    """Run every check: one row per check and scope, columns as in `finding.COLUMNS`.

    The rows are in the order of CHECKS, then of the run. The same run gives the same rows.
    """
    findings = [
        finding._replace(check=check) for check, run in _RUN.items() for finding in run(evidence)
    ]
    return pd.DataFrame(findings, columns=list(COLUMNS)).astype({"cases": "int64"})


def write_audit(directory: Path) -> pd.DataFrame:
    """Audit a run directory: write `audit.csv` and `worst_case.csv`, return the audit.

    Reads results, predictions and manifest from the directory. Raises TableError for files that
    cannot be used or written.
    """
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that `bench run` wrote")
    evidence = read_evidence(directory)
    findings = audit(evidence)
    rows = findings.itertuples(index=False, name=None)
    replace_text(directory / FILE, csv_text(findings.columns, rows))
    write_worst_case(worst_case(evidence), directory / WORST_CASE)
    return findings


def read_audit(directory: Path) -> pd.DataFrame | None:
    """Read `audit.csv` of a run directory; None if there is none.

    Raises TableError for a file that is not an audit.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    table = read_csv(path, "audit")
    again = "write it again with bench report"
    require(table, COLUMNS, f"audit {path}", again)
    if not table["cases"].str.fullmatch(r"[0-9]{1,18}").all():
        raise TableError(f"audit {path}: cases that are no numbers; {again}")
    unknown = set(table["status"]) - set(STATUSES)
    if unknown:
        raise TableError(f"audit {path}: unknown status {min(unknown)!r}; {again}")
    return table[list(COLUMNS)].astype({"cases": "int64"})


def short(findings: pd.DataFrame, statuses: Iterable[str] = ("fail", "warn")) -> list[str]:
    """Return one line per finding of these statuses, in their order, for a terminal."""
    return [
        f"{status}: {CHECKS[row['check']][0]}: {_scope(row)}: {row['detail']}"
        for status in statuses
        for row in as_rows(select(findings, status=status))
    ]


def _scope(row: Row) -> str:
    """Return the scope of a finding in words."""
    return " ".join(str(row[name]) for name in COLUMNS[1:6] if row[name])
