"""Output in a notebook: HTML, and a place whose content changes while a run works."""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Return whether this code runs in a kernel that shows HTML, as Jupyter's and Colab's do."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is not None


def display_html(html: str, text: str) -> None:
    """Show HTML below the cell; front ends that have none show the text."""
    _display(html, text)


class Place:
    """A place below the cell whose content can be replaced; it needs no widgets."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """Replace the content."""
        if self._handle is None:
            self._handle = _display(html, text, display_id=True)
        else:
            self._handle.update({"text/html": html, "text/plain": text}, raw=True)


def _shell() -> Any:
    """Return IPython's shell; None outside of it. IPython is not imported for that."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def _display(html: str, text: str, **options: Any) -> Any:
    display: Any = sys.modules["IPython"].display
    return display.display({"text/html": html, "text/plain": text}, raw=True, **options)
