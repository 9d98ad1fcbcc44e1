"""The table of errors under corruptions on the page."""

from __future__ import annotations

from pathlib import Path

from reports.corruptions.errors import read_corruptions
from reports.corruptions.sentences import error_text, kind_label, summary_lines
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels


def corruptions(directory: Path, labels: Labels) -> Row | None:
    """Return sentences and rows of `corruptions.csv` as the page shows them; None without it."""
    table = read_corruptions(directory)
    if table is None or table.empty:
        return None
    rows = [
        {
            "place": labels.subject(row["dataset"], row["network"]),
            "defence": labels.behind(row),
            "kind": kind_label(row["kind"], labels),
            "error": error_text(row),
            **{name: row[name] for name in ("severities", "kinds", "relative", "reference", "n")},
        }
        for row in as_rows(table)
    ]
    reference = next((row["reference"] for row in rows if row["reference"]), "")
    return {"lines": list(summary_lines(table, labels)), "rows": rows, "reference": reference}
