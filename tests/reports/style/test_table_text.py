"""Tables as LaTeX, Markdown and CSV: whatever the texts hold."""

from __future__ import annotations

import csv
import io
import re

import pytest

from reports.style.table_text import FORMATS, TextTable, as_csv, as_latex, as_markdown, latex

NASTY = r"a_b & 50 % $x$ #1 {c} ~ ^ \input{x} <i> |p| ∞ " + "\n%\tend"
TABLE = TextTable(["name", "n"], [[NASTY, "1"], ["pgd[norm=2]", "-2"]], [False, True], ["so_it is"])


def test_latex_is_a_table_of_booktabs() -> None:
    lines = as_latex(TextTable(["a", "b"], [["x", "1"]], [False, True])).splitlines()
    assert lines == [
        r"% needs \usepackage{booktabs}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a & b \\",
        r"\midrule",
        r"x & 1 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_escapes_everything_that_tex_reads() -> None:
    assert latex("a_b & 5 % #1") == r"a\_b \& 5 \% \#1"
    assert latex(r"\input{x}") == r"\textbackslash{}input\{x\}"
    line = as_latex(TABLE).splitlines()[5]
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\$\\infty\$", "", line.removesuffix(r" \\"))
    assert plain.count("&") == 1
    assert not set(plain) & set("\\%$#_{}~^<>|∞\n\t")


@pytest.mark.parametrize("form", FORMATS)
def test_every_row_is_one_line(form: str) -> None:
    text = FORMATS[form](TextTable(["name", "n"], [["a b", "1"], ["c", "2"]], [False, True]))
    assert len([line for line in text.splitlines() if "a b" in line or line[:1] == "c"]) <= 2
    assert text.endswith("\n")


def test_markdown_escapes_and_aligns() -> None:
    lines = as_markdown(TABLE).splitlines()
    assert lines[1] == "| --- | ---: |"
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == 3
    assert r"\<i\>" in lines[2]
    assert r"pgd\[norm=2\]" in lines[3]
    assert lines[-1] == r"so\_it is"


def test_csv_reads_back() -> None:
    assert list(csv.reader(io.StringIO(as_csv(TABLE)))) == [TABLE.header, *TABLE.rows]
