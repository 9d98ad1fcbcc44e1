"""Any text of an evaluation is shown as it is, in a notebook and in a terminal."""

from __future__ import annotations

import io
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmark.api.html import as_html
from benchmark.api.summary import Column, Summary
from benchmark.api.terminal import print_summary, summary_text
from reports.style.plain_text import printable


class Texts(HTMLParser):
    """The texts of a page, and the names of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


def summary(text: str) -> Summary:
    return Summary(text, (Column(text),), ((text,),), text, (text,), text)


@given(st.text(st.characters(), min_size=1, max_size=12))
def test_a_notebook_shows_any_text(text: str) -> None:
    page = as_html(summary(text))
    page.encode("utf-8")
    read = Texts(page)
    assert read.tags <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert sum(printable(text).strip() in shown for shown in read.texts) >= 6


def test_a_terminal_shows_markup_and_emoji_codes() -> None:
    text = "[/nope] [b]x[/b] :ten: \x1b[31m\udcff"
    assert summary_text(summary(text)).count(printable(text)) == 6
    # a console of the caller reads markup in what it prints itself
    out = Console(file=io.StringIO(), width=100)
    print_summary(summary(text), out)
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().count(printable(text)) == 6
