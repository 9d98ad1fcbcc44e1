"""The terminal, and lines of text in it."""

from __future__ import annotations

from rich.console import Console

console = Console()


def say(text: object, style: str | None = None) -> None:
    """Print a line as it is: no markup, no colours for numbers, no line breaks of its own."""
    console.print(str(text), style=style, markup=False, highlight=False, soft_wrap=True)
