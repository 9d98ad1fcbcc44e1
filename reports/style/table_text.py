"""A table as text for papers and pages: LaTeX, Markdown and CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.results.atomic import csv_text

_LATEX = {
    "∞": r"$\infty$", "\N{EN DASH}": "--", "\\": r"\textbackslash{}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|&#~$])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    header: the columns. rows: the texts of each row. right: which columns hold numbers.
    notes: sentences that belong below it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    notes: Sequence[str] = ()


def as_latex(table: TextTable) -> str:
    """Return a `tabular` of the package booktabs; notes are comments."""
    columns = "".join("r" if right else "l" for right in table.right)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(table.header), r"\midrule"]
    lines += [*map(_latex_row, table.rows), r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {_CONTROL.sub(' ', note)}" for note in table.notes]
    return "\n".join(["% needs \\usepackage{booktabs}", *lines]) + "\n"


def as_markdown(table: TextTable) -> str:
    """Return a table of GitHub's Markdown; notes are paragraphs."""
    rule = f"| {' | '.join('---:' if right else '---' for right in table.right)} |"
    lines = [_markdown_row(table.header), rule, *map(_markdown_row, table.rows)]
    for note in table.notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def as_csv(table: TextTable) -> str:
    """Return the header and the rows as CSV."""
    return csv_text(table.header, table.rows)


FORMATS: dict[str, Callable[[TextTable], str]] = {
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
}


def latex(text: str) -> str:
    """Return a text as LaTeX prints it."""
    return "".join(_LATEX.get(letter, letter) for letter in _CONTROL.sub(" ", text))


def _latex_row(texts: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex, texts))} \\"


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _CONTROL.sub(" ", text))


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown, texts))} |"
