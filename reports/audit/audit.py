"""The checklist against false robustness, on the results of a run.

After Carlini et al. 2019, "On Evaluating Adversarial Robustness" (arXiv:1902.06705), and Athalye
et al. 2018, "Obfuscated Gradients Give a False Sense of Security" (ICML, arXiv:1802.00420). Each
check tests what must hold if an attack works as intended; if it does not hold, a high accuracy may
come from a failing attack and not from a robust network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reports.audit import cell_checks as cells
from reports.audit import certificate_checks as proofs
from reports.audit import draw_checks, image_checks
from reports.audit import gradient_checks as faults
from reports.audit import pair_checks as pairs
from reports.audit.finding import COLUMNS, STATUSES, Finding
from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import read_csv, require
from reports.results.rows import Row, as_rows, select
from reports.style.labels import NO_LABELS, Labels
from reports.worst_case.evidence import Evidence, read_evidence
from reports.worst_case.strongest import FILE as WORST_CASE
from reports.worst_case.strongest import worst_case, write_worst_case

FILE = "audit.csv"
LABELLED = ("datasets", "networks", "attacks", "threats", "defences")


class Check(NamedTuple):
    """One check. title: what must hold. rule: how it is decided. run: yields its findings."""

    title: str
    rule: str
    run: Callable[[Evidence], Iterator[Finding]]


# by id; the page and the docs show titles and rules
CHECKS: dict[str, Check] = {
    "eps-zero": Check("Accuracy at eps 0 is the clean accuracy",
                      cells.EPS_ZERO_RULE, cells.eps_zero),
    "budget": Check("No image leaves its budget or [0, 1]", cells.BUDGET_RULE, cells.budget),
    "logits": Check("The output is logits, not probabilities", cells.LOGITS_RULE, cells.logits),
    "wrapping": Check("External networks are wrapped correctly",
                      cells.WRAPPING_RULE, cells.wrapping),
    "images": Check("Every image that was asked for was scored",
                    image_checks.IMAGES_RULE, image_checks.images),
    "zero-gradient": Check("Gradients are not zero",
                           faults.ZERO_GRADIENT_RULE, faults.zero_gradient),
    "nan-gradient": Check("Gradients are numbers", faults.NAN_GRADIENT_RULE, faults.nan_gradient),
    "finite": Check("Outputs are numbers under attack", faults.FINITE_RULE, faults.finite),
    "monotone": Check("Accuracy does not rise with eps", pairs.MONOTONE_RULE, pairs.monotone),
    "large-eps": Check("A large eps reaches an accuracy of about 0",
                       cells.LARGE_EPS_RULE, cells.large_eps),
    "iterative": Check("An iterative attack is not weaker than a one-step attack",
                       pairs.ITERATIVE_RULE, pairs.iterative),
    "adaptive": Check("A better-informed attacker is never weaker",
                      pairs.ADAPTIVE_RULE, pairs.adaptive),
    "white-box": Check("An attack with gradients is not weaker than one without",
                       pairs.WHITE_BOX_RULE, pairs.white_box),
    "control": Check("The noise control is not stronger than the attack",
                     pairs.CONTROL_RULE, pairs.control),
    "certificates": Check("No attack breaks an image that is proved",
                          proofs.CERTIFICATES_RULE, proofs.certificates),
    "judged": Check("Each defence was attacked by an attacker who sees it",
                    cells.JUDGED_RULE, cells.judged),
    "draws": Check("A random defence was attacked over its draws",
                   draw_checks.DRAWS_RULE, draw_checks.draws),
}  # fmt: skip


def audit(evidence: Evidence) -> pd.DataFrame:
    """Run every check: one row per check and scope, columns as in `finding.COLUMNS`.

    The rows are in the order of CHECKS, then of the run. The same run gives the same rows.
    """
    findings = [
        finding._replace(check=id_)
        for id_, check in CHECKS.items()
        for finding in check.run(evidence)
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


def short(
    findings: pd.DataFrame, statuses: Iterable[str] = ("fail", "warn"), labels: Labels = NO_LABELS
) -> list[str]:
    """Return one line per finding of these statuses, in their order, for a terminal."""
    return [
        f"{status}: {CHECKS[row['check']].title}: {_scope(row, labels)}: {row['detail']}"
        for status in statuses
        for row in as_rows(select(findings, status=status))
    ]


def _scope(row: Row, labels: Labels) -> str:
    """Return the scope of a finding in words."""
    names = ((kind, row[kind.removesuffix("s")]) for kind in LABELLED)
    return ", ".join(labels.shown(kind, name) for kind, name in names if name)
