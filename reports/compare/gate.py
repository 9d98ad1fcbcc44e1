"""A comparison as test cases, and as the Markdown of a CI step's summary."""

from __future__ import annotations

from reports.compare.compare import Comparison, drop, fails, failures
from reports.compare.pairing import records
from reports.compare.render import (
    digits_of,
    footnotes,
    headline,
    letters,
    number_columns,
    number_texts,
    varying,
    verdict_text,
)
from reports.compare.table import differing, missing_lines, rest_lines
from reports.gates.cases import Case, Suite, unique
from reports.gates.markdown import Section, escaped
from reports.results.rows import Row
from reports.style.cell_names import describe


def suites(comparison: Comparison, tolerance: float = 0.0) -> list[Suite]:
    """Return a suite for each compared run, with a case for each row.

    A row that the run lacks, or that is worse by more than `tolerance`, failed; a row that A lacks
    is skipped.
    """
    rows = records(comparison.rows)
    return [
        Suite(
            f"{name} compared with {comparison.a}",
            "comparison",
            unique(_case(row, comparison, tolerance) for row in rows if row["b"] == name),
            name,
        )
        for name in dict.fromkeys(comparison.others)
    ]


def sections(comparison: Comparison, tolerance: float = 0.0, every: bool = False) -> list[Section]:
    """Return the Markdown of a comparison: what differs, what is missing, and the notes.

    every: all rows in the table, one by one.
    """
    rows = comparison.rows if every else differing(comparison.rows)
    letter, digits = letters(comparison), digits_of(comparison.rows)
    run = ["run"] if len(letter) > 1 else []
    numbers, columns = number_columns(comparison), varying(comparison.rows)
    body = [
        [
            verdict_text(row, letter),
            *(letter[row["b"]] for _ in run),
            describe(row, columns, comparison.labels) + _extra(row),
            *number_texts(row, digits),
        ]
        for row in records(rows)
    ]
    reasons = failures(comparison, tolerance)
    verdict = "❌ less robust, or rows are missing" if reasons else "✅ no row is worse or missing"
    allowed = f" by more than {100 * tolerance:g} points" if tolerance and not reasons else ""
    out = [Section(f"{verdict}{allowed}", escaped(headline(comparison)))]
    if body:
        header = ["verdict", *run, "row", *numbers]
        out.append(Section("", "", header, body, frozenset(numbers)))
    if not every:
        lines = [*missing_lines(comparison), *rest_lines(comparison)]
        out.append(Section("", _listed(lines)))
    out.append(Section("", _listed(footnotes(comparison))))
    return out


def _case(row: Row, comparison: Comparison, tolerance: float) -> Case:
    name = describe(row, labels=comparison.labels)
    remark = f" ({row['remark']})" if row["remark"] else ""
    numbers = dict(zip(number_columns(comparison), number_texts(row, 2), strict=True))
    details = ", ".join(f"{key}: {text}" for key, text in numbers.items() if text)
    if row["verdict"] == "only in A":
        return Case(name, "failed", f"missing in {row['b']}{remark}", details)
    if row["verdict"] == "only in B":
        return Case(name, "skipped", "new: A has no such row", details)
    if fails(row, tolerance):
        return Case(name, "failed", f"worse by {drop(row)}", details)
    return Case(name, "passed", "", details)


def _extra(row: Row) -> str:
    missing = row["verdict"].startswith("only in") and row["remark"]
    warning = f" (warning: {row['warning']})" if row["warning"] else ""
    return (f" ({row['remark']})" if missing else "") + warning


def _listed(lines: list[str]) -> str:
    return "\n".join(f"* {escaped(line)}" for line in lines)
