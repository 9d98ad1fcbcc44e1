"""Evaluate every claim, part by part, and write `claims.csv`."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from reports.claims.grid_claims import GRID_CLAIMS
from reports.claims.image_claims import IMAGE_CLAIMS
from reports.claims.network_claims import NETWORK_CLAIMS
from reports.claims.photo_claims import PHOTO_CLAIMS
from reports.claims.rule import Claim, Effect, Part, Verdict, combined
from reports.claims.sources import Missing, Sources
from reports.results.atomic import replace_text
from reports.results.csv_file import read_csv, require
from reports.style.labels import Labels

FILE = "claims.csv"
# the part that stands for the whole claim
WHOLE = "the claim"
COLUMNS = (
    *("claim", "attacker", "part", "subject", "text", "measured"),
    *("effect", "low", "high", "units", "rule", "verdict"),
)

CLAIMS: tuple[Claim, ...] = tuple(
    sorted((*GRID_CLAIMS, *IMAGE_CLAIMS, *NETWORK_CLAIMS), key=lambda c: int(c.number[1:]))
)
# the claims of each run of `bench paper`; that of photos keeps the studies in its own
RUNS: dict[str, tuple[Claim, ...]] = {"paper": CLAIMS, "photos": PHOTO_CLAIMS}
_WITHIN = {"paper": "", "photos": "photos"}
_NOTHING = Effect(math.nan, math.nan, math.nan, "")


def evaluate(directory: Path, run: str = "paper") -> pd.DataFrame:
    """Return the claims of a run in their order: of each its verdict, then its parts.

    Columns as in COLUMNS; low and high are 95 % limits, units says what they are over. A claim
    about JPEG has a verdict for each attacker.
    """
    sources = Sources(directory, _WITHIN[run])
    rows: list[tuple[object, ...]] = []
    for claim in RUNS[run]:
        parts = [(part, *_measured(part, sources)) for part in claim.parts]
        for attacker in dict.fromkeys(part.attacker for part, *_ in parts):
            mine = [p for p in parts if p[0].attacker == attacker]
            verdict = combined(v for _, _, v, _ in mine)
            counts = {v: sum(p[2] == v for p in mine) for v in ("supported", "contradicted")}
            summary = f"{counts['supported']} of {len(mine)} parts supported"
            if counts["contradicted"]:
                summary += f", {counts['contradicted']} contradicted"
            head = (claim.number, attacker)
            whole = (WHOLE, "", claim.text, summary)
            rows.append((*head, *whole, *_NOTHING, "all parts", verdict))
            for part, effect, decided, reason in mine:
                about = (part.name, part.subject(sources.labels), "", reason or part.rule.effect)
                rows.append((*head, *about, *effect, part.rule.side, decided))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_claims(directory: Path, run: str = "paper") -> pd.DataFrame:
    """Evaluate all claims of a run and write its `claims.csv`. Raises TableError."""
    table = evaluate(directory, run)
    text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    replace_text(directory / FILE, text)
    return table


def read_claims(directory: Path) -> pd.DataFrame:
    """Read a `claims.csv`; empty texts stay empty. Raises TableError."""
    path = directory / FILE
    table = read_csv(path, "claims")
    require(table, COLUMNS, f"claims {path}", "write it again with bench paper")
    for name in ("effect", "low", "high"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def verdicts_as_markdown(table: pd.DataFrame) -> str:
    """Return the verdict on every claim, for docs/paper.md."""
    lines = ["| | claim | attacker | verdict | |", "| --- | --- | --- | --- | --- |"]
    for row in table[table["part"] == WHOLE].to_dict("records"):
        number = row["claim"]
        cells = (number, row["text"], row["attacker"], f"**{row['verdict']}**", row["measured"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _measured(part: Part, sources: Sources) -> tuple[Effect, Verdict, str]:
    """Return effect and verdict of a part; undecided with the reason if it cannot be measured."""
    try:
        effect = part.measure(sources)
    except Missing as error:
        return _NOTHING, "undecided", f"not measured: {error}"
    return effect, part.rule.decide(effect), ""


def as_markdown(labels: Labels, run: str = "paper") -> str:
    """Return every claim of a run with its rules, for docs/claims.md."""
    lines = []
    for claim in RUNS[run]:
        header = "| part | on | effect | supported if its 95 % interval is |"
        lines += [f"### {claim.number}", "", f"{claim.text}.", "", header, f"|{' --- |' * 4}"]
        seen: dict[tuple[str, str, str], list[str]] = {}
        for part in claim.parts:
            at = (part.name, part.rule.effect, part.rule.side)
            seen.setdefault(at, []).append(part.subject(labels))
        for (name, effect, side), subjects in seen.items():
            on = "; ".join(dict.fromkeys(subjects))
            lines.append(f"| {name} | {on} | {effect} | {side} |")
        lines.append("")
    return "\n".join(lines)
