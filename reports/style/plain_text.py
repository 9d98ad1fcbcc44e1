"""Text from users and files as a terminal, a page and an XML file can show it."""

from __future__ import annotations

import re

# Control characters, what turns the direction of text, separators of lines, lone surrogates and
# non-characters: a terminal may obey them, and XML 1.0 and UTF-8 have no place for some of them.
# Tabs and line feeds are text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029"
    "\ud800-\udfff\ufffe\uffff]"
)
_LINE_FEEDS = re.compile("\n")


def printable(text: str) -> str:
    r"""Return a text with escapes, such as `\x1b`, in place of what cannot be shown.

    A byte of a file name that is not UTF-8 becomes `\xff`. Tabs, line feeds and markup stay. A text
    without such characters stays as it is.
    """
    return _UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, with `\n` in place of line feeds."""
    return _LINE_FEEDS.sub(r"\\n", printable(text))


def plain(text: str) -> str:
    """Return a text as `printable` does, on one line: a space in place of each run of spaces."""
    return printable(" ".join(text.split()))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as Python reads it from a file name
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
