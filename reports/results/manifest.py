"""The manifest of a run, and by the hashes in it whether the run's files are as it wrote them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from reports.errors import TableError

MANIFEST = "manifest.json"


def read_manifest(directory: Path) -> dict[str, Any]:
    """`manifest.json` of a run directory; empty where there is none.

    Raises TableError for one that is no JSON object.
    """
    path = directory / MANIFEST
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(
            f"manifest {path}: cannot be read ({error}); the run's own command writes it anew"
        ) from error
    if not isinstance(content, dict):
        raise TableError(f"manifest {path}: a JSON object wanted; write it anew")
    return content


def check_seal(file: Path) -> None:
    """Raise TableError where the manifest beside a file has another SHA-256 for it.

    A manifest without hashes, or none, seals nothing: a lone CSV is taken as it is.
    """
    files = read_manifest(file.parent).get("files")
    wanted = files.get(file.name) if isinstance(files, dict) else None
    if wanted is not None and wanted != sha256_of(file):
        raise TableError(
            f"{file}: not as the run wrote it (its SHA-256 is not that of {MANIFEST}); the run's"
            " own command writes it anew from the store; a table changed on purpose is read"
            " where it lies alone"
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
