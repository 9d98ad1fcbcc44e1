"""The check on the images of a run: were all of them scored?"""

from __future__ import annotations

from collections.abc import Iterator

from reports.audit.finding import SCOPE, Finding, finding
from reports.results.rows import Row, grouped
from reports.worst_case.evidence import Evidence

IMAGES_RULE = (
    "For photos and other images that are read from disk: warns where a cell scored fewer images"
    " than it was asked for because some cannot be read. Their absence may raise or lower the"
    " accuracy."
)


def images(evidence: Evidence) -> Iterator[Finding]:
    """Warn of cells that scored fewer images than they were asked for."""
    for scope, group in grouped(evidence.rows, SCOPE[:2]):
        asked = {row["number"]: _asked(evidence, row) for row in group}
        short = [row for row in group if row["n"] < asked[row["number"]]]
        if short:
            worst = min(short, key=lambda row: row["n"] / asked[row["number"]])
            n, of = int(worst["n"]), asked[worst["number"]]
            detail = f"{of - n} of {of} images cannot be read; {n} were scored."
            advice = "failures.log names them: replace or remove them."
            yield finding(scope, "warn", len(short), detail, advice)


def _asked(evidence: Evidence, row: Row) -> int:
    """Return the number of images that a row was asked for; its own where that is unknown."""
    samples = str(row["samples"])
    if samples.isdecimal():
        return int(samples)
    about = evidence.about_data(row["dataset"])
    asked = about.get("asked")
    known = about.get("images") if samples == "all" else None
    if isinstance(asked, dict):
        known = asked.get(samples, known)
    return known if isinstance(known, int) else int(row["n"])
