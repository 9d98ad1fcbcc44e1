"""Standard output and standard error. Importable at once: it needs no package."""

from __future__ import annotations

import io
import sys


def print_any_text() -> None:
    """Let standard output and standard error escape what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="backslashreplace")
