"""Tables and manifests of others: refused by their declared size, before they are unpacked."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.errors import TableError
from reports.results import bounded
from reports.results.certificates import COLUMNS, read_certificates
from reports.results.certificates import FILE as CERTIFICATES
from reports.results.manifest import read_manifest
from reports.results.predictions import FILE as PREDICTIONS
from reports.results.predictions import read_predictions


def write_zeros(path: Path, groups: int, rows: int = 1 << 20) -> None:
    """Rows that are all equal: a few bytes each group."""
    zeros = pa.array(np.zeros(rows, np.int32))
    cell = pa.DictionaryArray.from_arrays(zeros, pa.array(["a"]))
    columns = {"cell": cell, **dict.fromkeys(("id", "label", "clean", "adversarial"), zeros)}
    table = pa.table(columns)
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)


def test_a_table_of_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 2_000_000)
    write_zeros(tmp_path / PREDICTIONS, groups=2)
    # 40 MB of numbers
    assert (tmp_path / PREDICTIONS).stat().st_size < 100_000
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    with pytest.raises(TableError) as told:
        read_predictions(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    assert pa.total_allocated_bytes() - before < 10_000_000
    tracemalloc.stop()
    assert "has 2,097,152 rows, expected at most 2,000,000" in str(told.value)
    assert str(told.value).startswith("predictions ") and "\n" not in str(told.value)


def test_a_column_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(1000, dtype=np.int64)
    names = ("dataset", "network", "samples", "method", "state")
    columns = {n: ["x" * 50] * 1000 if n in names else rows for n in COLUMNS}
    pq.write_table(pa.table(columns), tmp_path / CERTIFICATES)
    monkeypatch.setattr(bounded, "LARGEST_COLUMN", 2000)
    with pytest.raises(TableError, match=r"^certificates .*unpacks to [\d,]+ bytes, .*most 2,000"):
        read_certificates(tmp_path)
    monkeypatch.setattr(bounded, "LARGEST_COLUMN", 1 << 30)
    monkeypatch.setattr("reports.results.certificates.MOST_ROWS", 999)
    with pytest.raises(TableError, match="has 1,000 rows, expected at most 999"):
        read_certificates(tmp_path)


def test_a_manifest_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(bounded.LARGEST_TEXT + 1)  # a file without blocks
    with pytest.raises(TableError, match="67,108,865 bytes, expected at most 67,108,864"):
        read_manifest(tmp_path)
