"""The receipt of a finished run: what was asked, from which inputs, and which files it wrote.

The same command compares the receipt with what it finds, without importing torch. Every comparison
is of contents, by SHA-256. Whatever differs or is unknown leads to the whole run, which loads data
and networks and compares keys. The receipt holds hashes and names of files, and no path of the
machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.grids.model import Grid
from benchmark.runs.finished.result import Result
from benchmark.runs.finished.sources import sha256_of_json, sources
from benchmark.runs.lock import FILE as LOCK
from benchmark.runs.lock import HOLDER, refuse_if_held
from estimators.atomic import PREFIX, replace
from estimators.networks.cache_folder import default_cache
from reports.audit.audit import read_audit
from reports.errors import TableError
from reports.results.bounded import bounded_json
from reports.results.manifest import sha256_of
from reports.results.read_write import read_results
from reports.results.unfinished import FILE as UNFINISHED
from reports.results.unfinished import is_unfinished

FILE = "run.finished"
SCHEMA = 1
# files and folders of a run directory that a receipt leaves out
NEVER = (FILE, LOCK, HOLDER, UNFINISHED)
# options that change what is written; of a command and of `RunOptions` by the same name
COMPARED = ("device", "threads", "memory", "workers", "batch", "trust_pickle")
# options that ask for more than the files of the run directory
EXTRA = ("scheduler", "save_adversarial", "baseline", "log")


@dataclass(frozen=True)
class Asked:
    """A command, as a receipt compares it.

    text: hash of the grid and of the options that change what is written.
    sources: hash of the inputs and of the software, taken before the run reads them.
    """

    text: str
    sources: str


def asked(grid: Grid, options: Mapping[str, Any]) -> Asked | None:
    """Return what a command asks for; None where a receipt cannot answer it."""
    if any(options.get(name) for name in EXTRA):
        return None
    found = sources(grid, options.get("data_dir"))
    if found is None:
        return None
    chosen = {name: options.get(name) for name in COMPARED}
    return Asked(sha256_of_json([grid.model_dump(), chosen]), found)


def write_receipt(
    result: Result, before: Asked | None, after: Asked | None, weights: Iterable[Path]
) -> None:
    """Write the receipt of a run whose store is closed and whose directory is still held.

    before, after: what was asked, as seen before the inputs were read and now. Without one, or
    where they differ, the directory has no receipt. weights: files in the cache of weights.
    """
    directory = result.directory
    path = directory / FILE
    if before is None or before != after:
        path.unlink(missing_ok=True)
        return
    content = {
        "schema": SCHEMA,
        "text": before.text,
        "sources": before.sources,
        "unplotted": list(result.unplotted),
        "weights": {file.name: sha256_of(file) for file in weights},
        "files": {
            file.relative_to(directory).as_posix(): sha256_of(file)
            for file in sorted(directory.rglob("*"))
            if file.is_file() and file.name not in NEVER and not file.name.startswith(PREFIX)
        },
    }
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    replace(path, lambda target: target.write_text(text, encoding="utf-8"))


def finished(grid: Grid, out: Path, options: Mapping[str, Any]) -> Result | None:
    """Return the result of a run that is finished, from its files; None where it may not be.

    Raises InputError where another run holds the directory.
    """
    content = _read(out / FILE)
    if content is None or (out / "store.sqlite-wal").exists():
        return None
    if is_unfinished(out) or any(out.rglob(f"{PREFIX}*")):
        return None  # a killed process left it, and the whole run removes it
    refuse_if_held(out)
    now = asked(grid, options)
    if now is None or (content.get("text"), content.get("sources")) != (now.text, now.sources):
        return None
    weights = content.get("weights")
    files = content.get("files")
    if not (_same(default_cache(), weights) and _same(out, files) and files):
        return None
    try:
        table, findings = read_results(out), read_audit(out)
    except TableError:
        return None
    unplotted = content.get("unplotted")
    if findings is None or len(table) != len(grid.cells()) or not isinstance(unplotted, list):
        return None
    return Result(table, out, len(table), findings, unplotted=[str(text) for text in unplotted])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = bounded_json(path)
    except (OSError, ValueError):
        return None
    known = isinstance(content, dict) and content.get("schema") == SCHEMA
    return content if known else None


def _same(folder: Path, hashes: object) -> bool:
    """Whether each file below a folder has its hash; a name that leads out of it has none."""
    if not isinstance(hashes, dict):
        return False
    for name, expected in hashes.items():
        path = folder / name
        try:
            if ".." in path.parts or Path(name).is_absolute() or sha256_of(path) != expected:
                return False
        except (OSError, ValueError):
            return False
    return True
