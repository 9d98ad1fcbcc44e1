"""The claims of a run as the page shows them: one line per claim, its parts folded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from reports.claims.evaluate import COLUMNS, FILE, WHOLE
from reports.claims.quick import quick_note
from reports.page.parts import plain_table
from reports.results.rows import Row
from reports.style.numbers import count

VERDICTS = ("supported", "contradicted", "undecided")
_HEADER = ["part", "on", "measured", "effect, 95 %", "over", "rule", "verdict"]


def claims(directory: Path) -> Row | None:
    """Return the table of claims, with `groups` if it has the columns of `bench paper`."""
    table = plain_table(directory / FILE)
    if table is None or not set(table["header"]) >= set(COLUMNS):
        return (
            table
            if table is None
            else {**table, "groups": [], "answer": _answer(table), "quick": quick_note(directory)}
        )
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
    answer = _verdicts([group["verdict"] for group in groups.values()])
    quick = quick_note(directory)
    return {**table, "groups": list(groups.values()), "answer": answer, "quick": quick}


def _answer(table: Row) -> str:
    """Return the verdicts of a table with other columns in one sentence."""
    if "verdict" not in table["header"]:
        return f"{count(len(table['rows']), 'claim')}."
    place = table["header"].index("verdict")
    return _verdicts([row[place] for row in table["rows"]])


def _verdicts(verdicts: list[str]) -> str:
    """Return `Of 9 claims: 4 supported, 3 contradicted, 2 undecided.`."""
    counts = Counter(verdicts)
    parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    parts += [
        f"{n} {name or 'without a verdict'}" for name, n in counts.items() if name not in VERDICTS
    ]
    if len(verdicts) == 1:
        return f"The claim is {parts[0].partition(' ')[2]}."
    return f"Of {count(len(verdicts), 'claim')}: {', '.join(parts)}."


def _name(claim: str, attacker: str) -> str:
    return f"{claim}, {attacker} attacker" if attacker else claim
