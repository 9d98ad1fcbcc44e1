"""Per-image predictions of a run, and the pairing of two runs image by image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from reports.errors import TableError
from reports.results.bounded import bounded
from reports.results.manifest import check_sha256

FILE = "predictions.parquet"
_COLUMNS = ("cell", "id", "label", "clean", "adversarial")

Array = npt.NDArray[Any]
# which prediction of a cell: without attack, or under attack
Prediction = Literal["clean", "adversarial"]


class Scored(NamedTuple):
    """One cell: image ids in rising order [N], their labels [N], and which were right [N]."""

    ids: Array
    label: Array
    right: npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """How many shared images are right on both sides, only in A, only in B, on neither."""

    both: int
    only_a: int
    only_b: int
    neither: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """All cells of one run.

    path: the file. spans: where each cell's key lies in the arrays. arrays: id, label, clean and
    adversarial prediction, sorted by cell and id.
    """

    path: Path
    spans: dict[str, slice]
    arrays: dict[str, Array]

    def scored(self, cell: str, prediction: Prediction, n: int, correct: int) -> Scored | None:
        """Return the images of one cell; None if the file lacks the cell.

        n, correct: images and hits in the table. Raises TableError if the file has other counts:
        one of the two files is then of another run.
        """
        span = self.spans.get(cell)
        if span is None:
            return None
        label = self.arrays["label"][span]
        right = self.arrays[prediction][span] == label
        hits = int(right.sum())
        if (len(label), hits) != (n, correct):
            raise TableError(
                f"predictions {self.path}: cell {cell} has {hits} of {len(label)} images right,"
                f" results.csv says {correct} of {n}; the two files are of different runs"
            )
        return Scored(self.arrays["id"][span], label, right)


def read_predictions(run: Path) -> Predictions | None:
    """Read the predictions of a run directory; None for a bare CSV or a directory without them.

    Raises TableError for a file that is damaged (see `results.manifest`), lacks columns or lists an
    image twice.
    """
    path = run / FILE
    if not path.is_file():
        return None
    check_sha256(path)
    try:
        # a file, since pyarrow takes no name that is not UTF-8
        with path.open("rb") as file:
            names, codes, arrays = _read(bounded(pq.ParquetFile(file)))
    # pyarrow's own errors are subclasses of these; a damaged file may ask for any number of rows
    except (ValueError, LookupError, OSError, NotImplementedError, MemoryError) as error:
        if isinstance(error, TableError):
            raise TableError(f"predictions {path}: {error}; write it again") from error
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"predictions {path}: cannot be read ({first}); write it again") from error
    if np.any(codes[1:] < codes[:-1]):
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        arrays = {name: values[order] for name, values in arrays.items()}
    edges = np.searchsorted(codes, np.arange(len(names) + 1))
    slices = (slice(int(start), int(stop)) for start, stop in pairwise(edges))
    spans = dict(zip(names, slices, strict=True))
    for span in spans.values():
        ids = arrays["id"][span]
        if np.any(ids[1:] <= ids[:-1]):
            order = np.argsort(ids, kind="stable")
            for values in arrays.values():
                values[span] = values[span][order]
            if np.any(ids[1:] == ids[:-1]):
                twice = "lists an image of a cell twice"
                raise TableError(f"predictions {path}: {twice}; write it again")
    return Predictions(path, spans, arrays)


def _read(file: pq.ParquetFile) -> tuple[list[str], npt.NDArray[np.int32], dict[str, Array]]:
    """Return the keys of the cells, the place of each row's key among them, and the other columns.

    Rows are read in batches into arrays of their final size: a run over whole data sets has 10^7.
    """
    total, schema = file.metadata.num_rows, file.schema_arrow
    for name in _COLUMNS[1:]:
        if not pa.types.is_integer(schema.field(name).type):
            raise TableError(f"{name} holds other than whole numbers")
    codes = np.empty(total, np.int32)
    types = {name: schema.field(name).type.to_pandas_dtype() for name in _COLUMNS[1:]}
    arrays = {name: np.empty(total, kind) for name, kind in types.items()}
    places: dict[str, int] = {}
    at = 0
    for batch in file.iter_batches(1 << 18, columns=list(_COLUMNS)):
        rows = slice(at, at + len(batch))
        cell = batch.column("cell")
        if not pa.types.is_dictionary(cell.type):
            cell = cell.dictionary_encode()
        known = [places.setdefault(str(key), len(places)) for key in cell.dictionary.to_pylist()]
        for name, column in zip(_COLUMNS, batch.columns, strict=True):
            if column.null_count:
                raise TableError(f"{name} has rows without a value")
        indices = cell.indices.to_numpy()
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(known):
            raise TableError("cell has rows without a name")
        codes[rows] = np.array(known, np.int32)[indices]
        for name in arrays:
            arrays[name][rows] = batch.column(name).to_numpy()
        at += len(batch)
    if at != total:
        raise TableError(f"has {at} rows instead of {total}")
    return list(places), codes, arrays


def pair(a: Scored, b: Scored) -> Pairs | str:
    """Pair two cells on the images that both have; a text says why that is impossible."""
    in_a, in_b = shared_places(a.ids, b.ids)
    if len(in_a) == 0 and len(a.ids) + len(b.ids):
        return "no image in common"
    if not np.array_equal(a.label[in_a], b.label[in_b]):
        return "images of the same id have other labels"
    return counted(a.right[in_a], b.right[in_b])


def shared_places(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the places in `a` and in `b` of the ids that both have; each in rising order."""
    if np.array_equal(a, b):
        return np.arange(len(a)), np.arange(len(a))
    _, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return in_a, in_b


def counted(right_a: Array, right_b: Array) -> Pairs:
    """Return the pairs of two sides [N] of the same images: which were right."""
    both = int((right_a & right_b).sum())
    only_a, only_b = int(right_a.sum()) - both, int(right_b.sum()) - both
    return Pairs(both, only_a, only_b, len(right_a) - both - only_a - only_b)
