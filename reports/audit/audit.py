"""The field's checklist against false robustness, on the results of a run.

After Carlini et al. 2019, "On Evaluating Adversarial Robustness" (arXiv:1902.06705), and Athalye
et al. 2018, "Obfuscated Gradients Give a False Sense of Security" (ICML, arXiv:1802.00420). Each
check asks something that must hold if an attack does what it is meant to do; where it does not, a
high accuracy says more of the attack than of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reports.audit import cell_checks as audit_facts
from reports.audit import pair_checks as audit_order
from reports.audit.finding import COLUMNS, STATUSES, Finding
from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import read_csv
from reports.worst_case.evidence import Evidence, read_evidence
from reports.worst_case.strongest import FILE as WORST_CASE
from reports.worst_case.strongest import worst_case, write_worst_case

FILE = "audit.csv"

# id of the check: (what it asks, how it decides); the page and the docs show both
CHECKS: dict[str, tuple[str, str]] = {
    "eps-zero": ("At eps 0 accuracy is the clean one", audit_facts.EPS_ZERO_RULE),
    "budget": ("No image leaves its budget or [0, 1]", audit_facts.BUDGET_RULE),
    "logits": ("The output is logits, not probabilities", audit_facts.LOGITS_RULE),
    "wrapping": ("A network of others is wrapped well", audit_facts.WRAPPING_RULE),
    "zero-gradient": ("Gradients are not zero", audit_facts.ZERO_GRADIENT_RULE),
    "monotone": ("Accuracy does not rise with eps", audit_order.MONOTONE_RULE),
    "large-eps": ("A large eps reaches about 0", audit_facts.LARGE_EPS_RULE),
    "iterative": ("Iterative is not weaker than one-step", audit_order.ITERATIVE_RULE),
    "adaptive": ("Who knows more does not do less", audit_order.ADAPTIVE_RULE),
    "white-box": ("Gradients are not weaker than none", audit_order.WHITE_BOX_RULE),
    "control": ("The noise control is not stronger than the attack", audit_order.CONTROL_RULE),
    "judged": ("Each defence met an attacker who knows it", audit_facts.JUDGED_RULE),
}

_RUN: dict[str, Callable[[Evidence], Iterator[Finding]]] = {
    "eps-zero": audit_facts.eps_zero,
    "budget": audit_facts.budget,
    "logits": audit_facts.logits,
    "wrapping": audit_facts.wrapping,
    "zero-gradient": audit_facts.zero_gradient,
    "monotone": audit_order.monotone,
    "large-eps": audit_facts.large_eps,
    "iterative": audit_order.iterative,
    "adaptive": audit_order.adaptive,
    "white-box": audit_order.white_box,
    "control": audit_order.control,
    "judged": audit_facts.judged,
}


def audit(evidence: Evidence) -> pd.DataFrame:
    """Every check on a run: one row a check and scope, columns as in `finding.COLUMNS`.

    The rows stand in the order of CHECKS, then of the run. The same run gives the same rows.
    """
    found = [
        finding._replace(check=check) for check, run in _RUN.items() for finding in run(evidence)
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).astype({"cases": "int64"})


def write_audit(directory: Path) -> pd.DataFrame:
    """Audit a run directory: writes `audit.csv` and `worst_case.csv`, gives the audit.

    Reads results, predictions and manifest from the directory. Raises TableError for files that
    cannot be used or written.
    """
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that `bench run` wrote")
    evidence = read_evidence(directory)
    found = audit(evidence)
    rows = found.itertuples(index=False, name=None)
    replace_text(directory / FILE, csv_text(found.columns, rows))
    write_worst_case(worst_case(evidence), directory / WORST_CASE)
    return found


def read_audit(directory: Path) -> pd.DataFrame | None:
    """`audit.csv` of a run directory; None where there is none.

    Raises TableError for a file that is not an audit.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    table = read_csv(path, "audit")
    missing = [name for name in COLUMNS if name not in table.columns]
    strange = set(table.get("status", ())) - set(STATUSES)
    if not missing and not table["cases"].str.fullmatch(r"[0-9]{1,18}").all():
        raise TableError(
            f"audit {path}: cases that are no numbers; write it anew with bench report"
        )
    if missing or strange:
        what = f"lacks the columns {', '.join(missing)}" if missing else f"status {min(strange)!r}"
        raise TableError(f"audit {path}: {what}; write it anew with bench report")
    return table[list(COLUMNS)].astype({"cases": "int64"})


def short(findings: pd.DataFrame, statuses: Iterable[str] = ("fail", "warn")) -> list[str]:
    """One line a finding of these statuses, in their order: what a terminal shows."""
    lines = []
    for status in statuses:
        for row in findings[findings["status"] == status].to_dict("records"):
            lines.append(f"{status}: {CHECKS[row['check']][0]}: {scope(row)}: {row['detail']}")
    return lines


def scope(row: Mapping[Any, Any]) -> str:
    """Where a finding holds, in words."""
    return " ".join(str(row[name]) for name in COLUMNS[1:6] if row[name])
