"""The terminal, and lines of text in it.

Everything that a person reads goes through here: no text is markup, an emoji code or a command to
the terminal.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from reports.style.plain_text import one_line, printable


class PlainConsole(Console):
    """A console that shows texts as they are, and leaves a closed pipe (`| head`) to click."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled again; rich would end the program."""
        raise

    def render_str(self, text: str, **options: Any) -> Text:
        """Return what is shown for a string, that of a table included."""
        return super().render_str(printable(text), **options)


console = PlainConsole()
# progress goes to standard error, so that standard output holds results alone
errors = PlainConsole(stderr=True)
# what prints above a line that changes, while a terminal shows one
above: list[Console] = []


def say(text: object, style: str | None = None, head: str = "", head_style: str = "") -> None:
    """Print a line as it is: no markup, no colours for numbers, no line breaks of its own.

    head: stands before the text, in a style of its own.
    """
    printer = above[-1] if above else console
    line = styled(one_line(head), head_style).append_text(styled(one_line(str(text)), style or ""))
    printer.print(line, soft_wrap=True)


def styled(text: str, style: str = "") -> Text:
    """Return a text for a table, in which nothing is markup, in a style of rich."""
    return Text(printable(text), style)
