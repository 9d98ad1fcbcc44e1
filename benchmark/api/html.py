"""A summary as HTML, as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as html_escape

from benchmark.api.summary import Summary
from reports.style.plain_text import printable

# no colours: a notebook may be light or dark
_RIGHT, _LEFT = "text-align: right; white-space: nowrap", "text-align: left"


def escape(text: str) -> str:
    """Return a text as HTML that shows it; a notebook's file is UTF-8."""
    return html_escape(printable(text))


def as_html(summary: Summary) -> str:
    """Return a summary as HTML; every text in it is escaped."""
    sides = [_RIGHT if column.is_number else _LEFT for column in summary.columns]
    parts = ["<div>", *(f"<p><b>{escape(text)}</b></p>" for text in (summary.title,) if text)]
    if summary.rows:
        heads = zip(sides, (column.title for column in summary.columns), strict=True)
        parts += ["<table>", f"<thead><tr>{_cells('th', heads)}</tr></thead>", "<tbody>"]
        parts += [f"<tr>{_cells('td', zip(sides, row, strict=True))}</tr>" for row in summary.rows]
        parts += ["</tbody>", "</table>"]
    parts += [f"<p>{escape(text)}</p>" for text in (summary.caption,) if text]
    if summary.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in summary.notes)
        parts.append(f"<ul>{items}</ul>")
    parts += [f"<p>{escape(text)}</p>" for text in (summary.files,) if text]
    return "\n".join([*parts, "</div>"])


def _cells(tag: str, pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<{tag} style="{style}">{escape(text)}</{tag}>' for style, text in pairs)
