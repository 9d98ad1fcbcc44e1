"""The findings of an audit as the page shows them."""

from __future__ import annotations

import pandas as pd

from reports.audit.audit import CHECKS
from reports.audit.finding import STATUSES
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels


def checks_of(findings: pd.DataFrame, labels: Labels) -> Row:
    """Return the findings by check, the worst check and the worst finding first."""
    rank = STATUSES.index
    checks = []
    for check, group in findings.groupby("check", sort=False):
        known = CHECKS.get(str(check))
        rows = sorted(as_rows(group), key=lambda row: rank(row["status"]))
        rows = [{**row, "parts": _parts(row, labels)} for row in rows]
        counts = {s: n for s in STATUSES if (n := sum(row["status"] == s for row in rows))}
        title, rule = (known.title, known.rule) if known else (str(check), "")
        bad, fine = ([r for r in rows if (r["status"] == "ok") == ok] for ok in (False, True))
        about = {"title": title, "rule": rule, "counts": counts, "status": rows[0]["status"]}
        checks.append({**about, "rows": bad, "fine": fine})
    checks.sort(key=lambda check: rank(check["status"]))
    counts = {status: int((findings["status"] == status).sum()) for status in STATUSES}
    return {"checks": checks, "counts": counts}


def _parts(row: Row, labels: Labels) -> list[str]:
    """Return attack, threat and defence of a finding, as far as it names them."""
    shown = (("attack", labels.attack), ("threat", labels.threat), ("defence", labels.defence))
    return [label(row[name]) for name, label in shown if row[name]]
