"""Any text of a user can be shown: in a terminal, in UTF-8 and in XML."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from reports.style.plain_text import one_line, plain, printable

# every code point, lone surrogates included, and any bytes as Python reads them from a file name
EVERY = st.text(st.characters(), max_size=20)
NAMES = st.binary(max_size=12).map(lambda name: name.decode("utf-8", "surrogateescape"))
SAFE = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), max_size=20)


@given(EVERY | NAMES)
def test_what_is_shown_commands_no_terminal(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    kinds = {unicodedata.category(letter) for letter in shown.replace("\n", "").replace("\t", "")}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown


@given(EVERY | NAMES)
def test_xml_holds_it(text: str) -> None:
    element = ElementTree.Element("a", {"b": plain(text)})
    element.text = printable(text)
    read = ElementTree.fromstring(ElementTree.tostring(element, encoding="unicode").encode())
    assert (read.get("b"), read.text or "") == (plain(text), printable(text))


@given(EVERY | NAMES)
def test_one_line_is_one(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert len(plain(text).splitlines()) <= 1


@given(SAFE)
def test_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text == one_line(text)


def test_escapes_say_what_was_there() -> None:
    assert printable("\x1b[31m\x85\u202e\ud800\udcff\ufffe") == (
        r"\x1b[31m\x85\u202e\ud800\xff\ufffe"
    )
    assert one_line("a\nb\tc") == "a\\nb\tc"
    assert plain(" a\n\tb ") == "a b"
