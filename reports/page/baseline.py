"""The comparison of a run with a baseline, as the page shows it."""

from __future__ import annotations

from pathlib import Path

from reports.compare.compare import compare
from reports.compare.render import footnotes, headline, texts
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels
from reports.style.numbers import budget

ROWS_OF_A_COMPARISON = 200
MOST_CHANGES = 12


def comparison(baseline: Path, directory: Path, labels: Labels) -> Row:
    """Return the comparison of the run with a baseline: heading, changes, table and notes."""
    # a retrained network is what a baseline is for; the notes say so
    compared = compare(baseline, directory, allow=["weights"])
    shown = texts(compared, ROWS_OF_A_COMPARISON)
    rows = as_rows(compared.rows)
    changed = [row for row in rows if row["verdict"] in ("worse", "better")]
    changed.sort(key=lambda row: row["difference"])
    worst, best = changed[: MOST_CHANGES - 4], changed[MOST_CHANGES - 4 :][-4:]
    about = {"headline": headline(compared), "notes": footnotes(compared)}
    return {
        **about,
        **shown._asdict(),
        "changes": [{**row, "cell": _named(row, labels)} for row in (*worst, *best)],
        "changed": len(changed),
        "left_out": len(compared.rows) - len(shown.rows),
    }


def _named(row: Row, labels: Labels) -> str:
    """Return a cell in words."""
    eps = "" if row["eps"] in (None, "") else budget(str(row["norm"]), float(row["eps"]))
    quality = None if row["quality"] in (None, "") else float(row["quality"])
    behind = labels.behind({"defence": row["defence"], "quality": quality})
    place = labels.subject(str(row["dataset"]), str(row["network"]))
    attack, threat = labels.attack(str(row["attack"])), labels.threat(str(row["threat"]))
    return ", ".join(filter(None, (place, attack, eps, threat, behind)))
