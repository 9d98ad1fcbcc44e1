"""Markdown for the summary of a CI step: sections with tables, cut to what GitHub takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reports.style.plain_text import plain

# GitHub refuses a summary of more than 1 MiB, of all steps that write to it
MOST_BYTES = 1_000_000
ROWS = 200


@dataclass(frozen=True)
class Section:
    """A part of a summary.

    title: its heading; none if empty. text: Markdown below it. header, rows: texts of a table.
    right: the columns that hold numbers.
    """

    title: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    right: frozenset[str] = field(default_factory=frozenset)


def to_markdown(title: str, sections: Sequence[Section], most: int = MOST_BYTES) -> str:
    """Return a summary of at most so many bytes: tables lose their last rows, and say so."""
    rows = ROWS
    while True:
        text = _render(title, sections, rows)
        if len(text.encode("utf-8")) <= most:
            return text
        if rows == 0:
            return text.encode("utf-8")[: most - 4].decode("utf-8", "ignore") + "\n"
        rows //= 2


def escaped(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|~#&@])", r"\\\1", plain(text))


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()
) -> list[str]:
    """Return the lines of a table; its texts are escaped."""
    numbers = set(right)
    rule = _line("---:" if name in numbers else "---" for name in header)
    return [_line(map(escaped, header)), rule, *(_line(map(escaped, row)) for row in rows)]


def _render(title: str, sections: Sequence[Section], most: int) -> str:
    lines = [f"## {escaped(title)}", ""]
    for section in sections:
        if section.title:
            lines += [f"### {escaped(section.title)}", ""]
        if section.text:
            lines += [section.text, ""]
        if section.header:
            lines += [*table(section.header, section.rows[:most], section.right), ""]
            if len(section.rows) > most:
                lines += [f"{len(section.rows) - most:,} more rows are not shown here.", ""]
    return "\n".join(lines)


def _line(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"
