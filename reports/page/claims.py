"""The claims of a run as the page shows them: one line per claim, its parts folded."""

from __future__ import annotations

from pathlib import Path

from reports.claims.evaluate import COLUMNS, FILE, WHOLE
from reports.claims.quick import quick_note
from reports.page.parts import plain_table
from reports.results.rows import Row

_HEADER = ["part", "on", "measured", "effect, 95 %", "over", "rule", "verdict"]


def claims(directory: Path) -> Row | None:
    """Return the table of claims, with `groups` if it has the columns of `bench paper`."""
    table = plain_table(directory / FILE)
    if table is None or not set(table["header"]) >= set(COLUMNS):
        return table if table is None else {**table, "groups": [], "quick": quick_note(directory)}
    rows = [dict(zip(table["header"], row, strict=True)) for row in table["rows"]]
    groups: dict[tuple[str, str], Row] = {}
    for row in rows:
        at = (row["claim"], row["attacker"])
        parts = {"header": _HEADER, "rows": [], "left_out": 0, "file": FILE}
        empty = {"name": _name(*at), "verdict": "", "summary": "", "text": "", "parts": parts}
        group = groups.setdefault(at, empty)
        if row["part"] == WHOLE:
            group.update(verdict=row["verdict"], summary=row["measured"], text=row["text"])
        else:
            effect = f"{row['effect']} [{row['low']}, {row['high']}]" if row["effect"] else ""
            first, last = ("part", "subject", "measured"), ("units", "rule", "verdict")
            cells = [*(row[n] for n in first), effect, *(row[n] for n in last)]
            group["parts"]["rows"].append(cells)
    return {**table, "groups": list(groups.values()), "quick": quick_note(directory)}


def _name(claim: str, attacker: str) -> str:
    return f"{claim}, {attacker} attacker" if attacker else claim
