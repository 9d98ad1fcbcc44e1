"""Verdicts on requirements in the terminal, as Markdown, and as test cases."""

from __future__ import annotations

from collections.abc import Sequence

from reports.gates.cases import Case, Suite, unique
from reports.gates.check import Judged, Verdict, as_text, measured
from reports.gates.markdown import Section, escaped

# failing rows that a terminal shows for each requirement
SHOWN = 20
NOTE_INTERVAL = (
    "Each row must meet the requirement by itself. For a rate, the lower end of its 95 % interval"
    " (Wilson) decides for > and >=, the upper end for < and <=."
)
NOTE_POINT = "Each row must meet the requirement by itself. The estimates decide (--point)."


def lines(verdicts: Sequence[Verdict], width: int = 0, shown: int = SHOWN) -> list[str]:
    """Return the verdicts in words: one line for each requirement, then its failing rows.

    width: of the terminal; a row that is longer has its reason on a second line. 0 for any width.
    """
    out = []
    for verdict in verdicts:
        mark = "ok   " if verdict.met else "FAIL "
        out.append(f"{mark} {verdict.requirement.text}: {summary(verdict)}")
        for row in verdict.failed[:shown]:
            line = f"      {row.cell}: {row.reason}"
            fits = not width or len(line) <= width
            out += [line] if fits else [f"      {row.cell}:", f"        {row.reason}"]
        if len(verdict.failed) > shown:
            out.append(f"      and {len(verdict.failed) - shown:,} more rows")
    met = sum(verdict.met for verdict in verdicts)
    out.append(f"{met} of {len(verdicts)} requirements met. {note(verdicts)}")
    return out


def summary(verdict: Verdict) -> str:
    """Return how many rows meet a requirement, and the one that is closest to the bound."""
    good, total = len(verdict.rows) - len(verdict.failed), len(verdict.rows)
    counted = f"{good:,} of {total:,} row{'s' * (total != 1)} meet{'s' * (total == 1)} it"
    if not verdict.met:
        return counted
    bound = verdict.requirement.value
    closest = min(verdict.rows, key=lambda row: abs(row.decided - bound))
    if closest.decided == bound and not verdict.requirement.is_rate:
        return counted
    return f"{counted}; the closest: {closest.cell}: {measured(verdict.requirement, closest)}"


def note(verdicts: Sequence[Verdict]) -> str:
    """Return how it was decided, in words."""
    return NOTE_POINT if any(verdict.point for verdict in verdicts) else NOTE_INTERVAL


def suites(verdicts: Sequence[Verdict], file: str) -> list[Suite]:
    """Return a suite for each requirement, with a case for each row. file: the table."""
    return [
        Suite(
            verdict.requirement.text,
            "requirement",
            unique(
                Case(row.cell, "passed")
                if row.met
                else Case(row.cell, "failed", row.reason, f"required: {verdict.requirement.text}")
                for row in verdict.rows
            ),
            file,
        )
        for verdict in verdicts
    ]


def sections(verdicts: Sequence[Verdict], run: str) -> list[Section]:
    """Return the verdicts as Markdown: a table of requirements, then one of the failing rows."""
    met = sum(verdict.met for verdict in verdicts)
    head = f"{'✅' if met == len(verdicts) else '❌'} {met} of {len(verdicts)} requirements met"
    table = [
        ["✅" if verdict.met else "❌", verdict.requirement.text, summary(verdict)]
        for verdict in verdicts
    ]
    failing = [
        [verdict.requirement.text, row.cell, _have(verdict, row), row.reason]
        for verdict in verdicts
        for row in verdict.failed
    ]
    out = [Section(head, f"Run {escaped(run)}.", ["", "requirement", "rows"], table)]
    if failing:
        header = ["requirement", "row", "measured", "why it fails"]
        out.append(Section("Rows that fail", "", header, failing))
    out.append(Section("", escaped(note(verdicts))))
    return out


def _have(verdict: Verdict, row: Judged) -> str:
    return "" if row.value != row.value else as_text(verdict.requirement, row.value)
