"""Output in a notebook: HTML below the cell."""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Return whether this code runs in a kernel that shows HTML, as Jupyter's and Colab's do."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is not None


def display_html(html: str, text: str) -> None:
    """Show HTML below the cell; front ends that have none show the text."""
    display: Any = sys.modules["IPython"].display
    display.display({"text/html": html, "text/plain": text}, raw=True)


def _shell() -> Any:
    """Return IPython's shell; None outside of it. IPython is not imported for that."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()
