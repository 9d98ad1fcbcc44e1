"""The files that a run writes from its store; each is replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.runs.packed import Predicted
from benchmark.runs.store import Store
from estimators.atomic import replace
from reports.results.certificates import FILE as CERTIFICATES
from reports.results.columns import RESULTS
from reports.results.manifest import sha256_of
from reports.results.passes import CURVES, curves
from reports.results.predictions import FILE as PREDICTIONS_FILE
from reports.results.read_write import write_results
from reports.results.rows import Row

# cells whose predictions are in memory at once
GROUP = 64


def export(table: pd.DataFrame, store: Store, keys: Sequence[str], directory: Path) -> None:
    """Write `results.csv`, `timings.csv` and `predictions.parquet` of the stored cells.

    And `curves.csv`, where attacks counted passes image by image.

    keys: the keys of the stored cells, in the order of the table.
    """
    replace(directory / RESULTS, lambda path: write_results(table, path))
    by_passes = curves(table)
    if len(by_passes):
        replace(directory / CURVES, lambda path: by_passes.to_csv(path, index=False))
    else:
        (directory / CURVES).unlink(missing_ok=True)  # of another grid
    replace(directory / "timings.csv", lambda path: _write_timings(path, store, keys))
    replace(directory / PREDICTIONS_FILE, lambda path: _write_predictions(path, store, keys))


def file_hashes(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of the files that readers compare: table, predictions, certificates.

    Where a run ends between these files and the manifest, the hashes do not match; the same
    command then writes all files again.
    """
    files = [directory / name for name in (RESULTS, PREDICTIONS_FILE, CERTIFICATES)]
    return {file.name: sha256_of(file) for file in files if file.is_file()}


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file with sorted keys."""
    text = json.dumps(content, indent=2, sort_keys=True, default=str) + "\n"
    replace_text(path, text)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file (UTF-8) as a whole."""
    replace(path, lambda target: target.write_text(text, encoding="utf-8"))


def _write_timings(path: Path, store: Store, keys: Sequence[str]) -> None:
    seconds = store.seconds()
    lines = ["cell,seconds", *(f"{key},{seconds[key]:.4f}" for key in keys)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_predictions(path: Path, store: Store, keys: Sequence[str]) -> None:
    """Write one row group per GROUP cells, so that memory does not grow with the run."""
    key = ("cell", pa.dictionary(pa.int32(), pa.string()))
    types = store.types(keys)
    kinds = {name: pa.from_numpy_dtype(kind) for name, kind in types.items()}
    if "part" in kinds:
        kinds["part"] = key[1]
    schema = pa.schema([key, *kinds.items()])
    # a file, since pyarrow takes no name that is not UTF-8
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(keys):
            writer.write_table(_predictions(_finished(store, group), schema))


def _finished(store: Store, keys: Sequence[str]) -> dict[str, tuple[Row, Predicted]]:
    """Return the row and the predictions of each cell that has some, by key."""
    records = ((key, store.record(key)) for key in keys)
    return {key: (row, own) for key, (row, _, own) in records if own is not None}


def _predictions(cells: Mapping[str, tuple[Row, Predicted]], schema: pa.Schema) -> pa.Table:
    """Return the predictions of some cells, with the key of the cell in each row."""
    lengths = [len(table["label"]) for _, table in cells.values()]
    index = np.repeat(np.arange(len(cells), dtype=np.int32), lengths)
    arrays = [pa.DictionaryArray.from_arrays(index, pa.array(list(cells), pa.string()))]
    for column in list(schema)[1:]:
        if column.name == "part":
            arrays.append(_parts(cells.values()))
            continue
        values = [_values(table, column.name) for _, table in cells.values()]
        arrays.append(pa.array(np.concatenate(values) if values else [], column.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _values(table: Predicted, column: str) -> npt.NDArray[np.signedinteger[Any]]:
    """Return a column of a cell's predictions; `hits` follows from others where it is absent."""
    if column in table:
        return table[column]
    hits: npt.NDArray[np.int16] = (table["adversarial"] == table["label"]).astype(np.int16)
    return hits


def _parts(cells: Iterable[tuple[Row, Predicted]]) -> pa.DictionaryArray:
    """Return the name of the part that broke each image of the cells; null for none."""
    names: dict[str, int] = {}
    codes = []
    for row, table in cells:
        own = [names.setdefault(n, len(names)) for n in json.loads(row.get("broken_by") or "{}")]
        part = table.get("part")
        # the last place stands for none
        places = np.array([*own, -1], np.int32)
        none = np.full(len(table["label"]), -1, np.int32)
        codes.append(none if part is None else places[part])
    index = np.concatenate(codes) if codes else np.empty(0, np.int32)
    indices = pa.array(index, mask=index < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string()))


def _groups(keys: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while group := list(islice(rest, GROUP)):
        yield group
