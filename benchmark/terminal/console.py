"""The terminal, and lines of text in it."""

from __future__ import annotations

from rich.console import Console

console = Console()
# progress goes to standard error, so that standard output holds results alone
errors = Console(stderr=True)
# what prints above a line that changes, while a terminal shows one
above: list[Console] = []


def say(text: object, style: str | None = None) -> None:
    """Print a line as it is: no markup, no colours for numbers, no line breaks of its own."""
    printer = above[-1] if above else console
    printer.print(str(text), style=style, markup=False, highlight=False, soft_wrap=True)
