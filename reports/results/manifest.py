"""The manifest of a run or study, and the check of a run's files against the hashes in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reports.errors import TableError
from reports.results.bounded import bounded_json
from reports.results.rows import Row

MANIFEST = "manifest.json"
STUDY = "study.json"


def read_manifest(directory: Path, name: str = MANIFEST) -> Row:
    """Return the manifest of a run directory; empty if there is none.

    name: the file; STUDY for the folder of a study. Raises TableError if the file is no JSON
    object.
    """
    path = directory / name
    if not path.is_file():
        return {}
    advice = "repeat the run's command to write it again"
    try:
        content = bounded_json(path)
    except (OSError, ValueError) as error:
        raise TableError(f"manifest {path}: cannot be read ({error}); {advice}") from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise TableError(f"manifest {path}: expected a JSON object, got {kind}; {advice}")
    return content


def squashed_networks(manifest: Row) -> dict[str, str]:
    """Return the networks `DATASET/NETWORK` whose outputs are squashed, each with what was seen.

    Empty where the manifest lists none, as those of earlier versions.
    """
    listed = manifest.get("squashed")
    return {str(k): str(v) for k, v in listed.items()} if isinstance(listed, dict) else {}


def check_sha256(file: Path) -> None:
    """Raise TableError if the manifest beside a file has another SHA-256 for it.

    A file without a manifest, or with one without hashes, passes: a lone CSV is taken as it is.
    """
    files = read_manifest(file.parent).get("files")
    expected = files.get(file.name) if isinstance(files, dict) else None
    if expected is not None and expected != sha256_of(file):
        raise TableError(
            f"{file}: not as the run wrote it (its SHA-256 is not the one in {MANIFEST});"
            " repeat the run's command to write it again from the store, or copy a table that you"
            " changed on purpose to a folder of its own"
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
