"""Small files that others may have written: at most so many bytes are read, and JSON as data.

`reports.results.bounded` is the same for the files of a run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# bytes; JSON takes up to 22 times as much memory as its file
LARGEST = 1 << 26
_BLOCK = 1 << 16


def bounded_bytes(path: Path, most: int = LARGEST) -> bytes:
    """Return the content of a file; ValueError for one of more than `most` bytes.

    The size that the file system states is no bound: a device has none, and a file may grow.
    """
    size, content = path.stat().st_size, bytearray()
    if size > most:
        raise ValueError(f"{size:,} bytes, expected at most {most:,}")
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            content += block
            if len(content) > most:
                raise ValueError(f"more than {most:,} bytes")
    return bytes(content)


def bounded_text(path: Path, most: int = LARGEST, encoding: str = "utf-8") -> str:
    """Return the text of a file, lines ended by line feeds; ValueError as `bounded_bytes`.

    A file of another encoding is a UnicodeDecodeError, which is a ValueError.
    """
    text = bounded_bytes(path, most).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def bounded_json(path: Path, most: int = LARGEST) -> Any:
    """Return the value in a JSON file; ValueError for any other, and as `bounded_bytes`."""
    text = bounded_text(path, most)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
