"""The files that others read, made from the store; each is replaced whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.runs.store import Store, Stored
from reports.results.columns import RESULTS
from reports.results.manifest import sha256_of
from reports.results.predictions import FILE as PREDICTIONS_FILE
from reports.results.read_write import write_results

# cells whose predictions are in memory at once
GROUP = 64
PREDICTIONS = pa.schema(
    [
        ("cell", pa.dictionary(pa.int32(), pa.string())),
        ("id", pa.int32()),
        ("label", pa.int16()),
        ("clean", pa.int16()),
        ("adversarial", pa.int16()),
    ]
)


def export(table: pd.DataFrame, store: Store, keys: Sequence[str], directory: Path) -> None:
    """Write `results.csv`, `timings.csv` and `predictions.parquet` of the stored cells.

    keys: the stored cells, in the order of the table.
    """
    replace(directory / RESULTS, lambda path: write_results(table, path))
    replace(directory / "timings.csv", lambda path: _timings(path, store, keys))
    replace(directory / PREDICTIONS_FILE, lambda path: _predictions(path, store, keys))


def sealed(manifest: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The manifest with the SHA-256 of table and predictions, by which readers tell them sound.

    Where a run ends between these and the manifest, the hashes do not fit: the same command then
    writes all anew.
    """
    files = {name: sha256_of(directory / name) for name in (RESULTS, PREDICTIONS_FILE)}
    return {**manifest, "files": files}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file with sorted keys, whole or not at all."""
    text = json.dumps(content, indent=2, sort_keys=True, default=str) + "\n"
    replace(path, lambda target: target.write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a file beside `path`, then put it in its place.

    The bytes are on the disk before the name is: after a power cut there is the old file or the
    new one.
    """
    partial = path.with_name(path.name + ".part")
    try:
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _timings(path: Path, store: Store, keys: Sequence[str]) -> None:
    seconds = store.seconds()
    lines = ["cell,seconds", *(f"{key},{seconds[key]:.4f}" for key in keys)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _predictions(path: Path, store: Store, keys: Sequence[str]) -> None:
    """A row group for some cells at a time: memory does not grow with the run."""
    with pq.ParquetWriter(path, PREDICTIONS, compression="zstd") as writer:
        for group in _groups(keys):
            cells = [store.get(key) for key in group]
            writer.write_table(_table([c for c in cells if c.predictions is not None]))


def _table(cells: list[Stored]) -> pa.Table:
    tables = [cell.predictions for cell in cells if cell.predictions is not None]
    sizes = [len(table) for table in tables]
    index = np.repeat(np.arange(len(cells), dtype=np.int32), sizes)
    names = pa.DictionaryArray.from_arrays(index, pa.array([c.key for c in cells], pa.string()))
    columns: list[Any] = [
        np.concatenate([table[name].to_numpy() for table in tables]) if tables else []
        for name in PREDICTIONS.names[1:]
    ]
    arrays = [
        names,
        *(pa.array(c, f.type) for c, f in zip(columns, list(PREDICTIONS)[1:], strict=True)),
    ]
    return pa.Table.from_arrays(arrays, schema=PREDICTIONS)


def _groups(keys: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while group := list(islice(rest, GROUP)):
        yield group
