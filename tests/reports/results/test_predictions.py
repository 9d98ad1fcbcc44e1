"""Predictions of a damaged file: refused by one line, whatever is wrong inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.errors import TableError
from reports.results import predictions
from reports.results.predictions import FILE, read_predictions


def write(folder: Path, indices: list[int]) -> None:
    """Write two rows; the indices into the names of the cells are not checked."""
    cells = pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(["a", "b"]), safe=False
    )
    numbers = {field: pa.array(np.arange(2)) for field in predictions._COLUMNS if field != "cell"}
    pq.write_table(pa.table({"cell": cells, **numbers}), folder / FILE)


def test_sound_predictions_are_read(tmp_path: Path) -> None:
    write(tmp_path, [0, 1])
    assert read_predictions(tmp_path) is not None


@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowNotImplementedError("Integers with less than 8 bits not implemented"),
        pa.ArrowInvalid("two\nlines"),
        IndexError("index 7 is out of bounds"),
        MemoryError(),
    ],
)
def test_whatever_the_reader_raises_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(tmp_path, [0, 1])

    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(pq, "ParquetFile", fails)
    with pytest.raises(TableError, match="cannot be read") as told:
        read_predictions(tmp_path)
    assert "\n" not in str(told.value)


class Batches:
    """A file with a number of rows and batches that do not fit it."""

    def __init__(self, rows: int, indices: list[int]) -> None:
        cells = pa.DictionaryArray.from_arrays(
            pa.array(indices, pa.int32()), pa.array(["a", "b"]), safe=False
        )
        columns = [pa.array(np.arange(len(indices))) for _ in predictions._COLUMNS[1:]]
        self.batch = pa.record_batch([cells, *columns], names=list(predictions._COLUMNS))
        self.metadata = type("Metadata", (), {"num_rows": rows, "num_columns": 0})
        self.schema_arrow = self.batch.schema

    def iter_batches(self, *_: object, **__: object) -> list[pa.RecordBatch]:
        return [self.batch]


@pytest.mark.parametrize(
    "rows, indices, told",
    [
        (2, [0, 2], "cell has rows without a name"),
        (2, [0, -1], "cell has rows without a name"),
        (3, [0, 1], "has 2 rows instead of 3"),
    ],
)
def test_rows_that_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, indices: list[int], told: str
) -> None:
    write(tmp_path, [0, 1])
    monkeypatch.setattr(pq, "ParquetFile", lambda _: Batches(rows, indices))
    with pytest.raises(TableError, match=told):
        read_predictions(tmp_path)
