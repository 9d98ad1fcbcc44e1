"""The requirements of a run's grid file, and whether its rows meet them."""

from __future__ import annotations

import pandas as pd

from reports.errors import TableError
from reports.gates.check import check, of_manifest
from reports.gates.verdicts import summary
from reports.results.rows import Row
from reports.style.labels import Labels


def requirements(table: pd.DataFrame, manifest: Row, labels: Labels) -> list[Row]:
    """Return a row per requirement: `status` (ok or fail), `text`, and `summary` in words.

    A requirement that cannot be checked, since it means no row, fails.
    """
    rows: list[Row] = []
    for requirement in of_manifest(manifest):
        try:
            (verdict,) = check(table, [requirement], labels)
            met, about = verdict.met, summary(verdict)
        except TableError as error:
            met, about = False, str(error)
        rows.append({"status": "ok" if met else "fail", "text": requirement.text, "summary": about})
    return rows
