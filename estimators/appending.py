"""Logs: text that is appended whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def append_text(path: Path, text: str) -> None:
    """Append a text to a file, as UTF-8; what UTF-8 has no place for is escaped.

    Raises OSError where it cannot be written in full, such as on a full disk; the file is then as
    it was before.
    """
    content = memoryview(text.encode("utf-8", "backslashreplace"))
    before = path.stat().st_size if path.exists() else None
    try:
        with path.open("ab", buffering=0) as file:
            while content:
                content = content[file.write(content) :]
    except OSError:
        with suppress(OSError):
            if before is None:
                path.unlink()
            else:
                os.truncate(path, before)
        raise
