"""The files that claims are measured on: a run's rows and predictions, and the studies' tables."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.results.csv_file import read_table
from reports.results.predictions import Array, Predictions, read_predictions
from reports.results.read_write import read_results
from reports.results.rows import select
from reports.results.threats import OBLIVIOUS
from reports.style.labels import Labels, read_labels


class Missing(Exception):
    """Something that a claim needs is missing; the message says what."""


class Curves(NamedTuple):
    """The outcomes of one network behind one defence under one attack.

    eps: sizes [E] from 0 up. ids: images [N]. clean: right without attack [N].
    right: right under attack [E, N].
    """

    eps: npt.NDArray[np.float64]
    ids: Array
    clean: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]


class Sources:
    """A directory with results.csv, predictions.parquet and studies/<name>/<table>.csv.

    within: a study that has the others as its parts, in studies/<within>/<name>; "" for none.
    """

    def __init__(self, directory: Path, within: str = "") -> None:
        self.directory, self.within = directory, within

    def study(self, name: str, table: str) -> pd.DataFrame:
        """Read a table of a study; raises Missing if the study was not run."""
        folder = self.directory / "studies" / ("" if name == self.within else self.within) / name
        path = folder / f"{table}.csv"
        if not path.is_file():
            raise Missing(f"study {name} was not run")
        return read_table(path, "table", ("class", "norm"))

    def rows(self, name: str, table: str, **values: object) -> pd.DataFrame:
        """Return the rows of a study's table with these values; raises Missing for none."""
        rows = chosen(self.study(name, table), **values)
        if rows.empty:
            which = ", ".join(f"{k} {v}" for k, v in values.items())
            raise Missing(f"study {name} has no rows of {which}")
        return rows

    @cached_property
    def labels(self) -> Labels:
        """The labels and threats of the run."""
        return read_labels(self.directory)

    @cached_property
    def _results(self) -> pd.DataFrame:
        if not (self.directory / "results.csv").is_file():
            raise Missing("no grid was run")
        table = read_results(self.directory)
        return table[table["status"] == "ok"]

    @cached_property
    def _predictions(self) -> Predictions:
        predictions = read_predictions(self.directory)
        if predictions is None:
            raise Missing("the grid has no predictions.parquet")
        return predictions

    def qualities(
        self, dataset: str, network: str, attacker: str = OBLIVIOUS, attack: str = "fgsm"
    ) -> list[int]:
        """Return the JPEG qualities that the grid has for these, from low to high."""
        rows = chosen(self._results, dataset=dataset, network=network, attack=attack)
        rows = self._of(rows, attacker)
        return sorted({int(q) for q in rows["quality"].dropna()})

    def curves(
        self, dataset: str, network: str, attacker: str, quality: int | None, attack: str = "fgsm"
    ) -> Curves:
        """Return per-image outcomes against eps; quality None is the bare network.

        attacker: `oblivious`; or `adaptive`: the worst case, image by image, of every threat of
        the run that sees the defence. On the bare network both are the oblivious one.
        """
        rows = chosen(self._results, dataset=dataset, network=network, attack=attack)
        if quality is None:
            rows = chosen(rows, defence="none", threat=OBLIVIOUS)
        else:
            rows = rows[(rows["defence"] == "jpeg") & (rows["quality"] == quality)]
            rows = self._of(rows, attacker)
        if rows.empty:
            raise Missing(f"the grid has no {attack} rows of {network} on {dataset}, {attacker}")
        eps = np.array(sorted(set(rows["eps"])), dtype=np.float64)
        first = self._cell(rows["cell"].iloc[0])
        right = np.ones((len(eps), len(first["id"])), dtype=np.bool_)
        for cell, size in zip(rows["cell"], rows["eps"], strict=True):
            of = self._cell(cell)
            if not np.array_equal(of["id"], first["id"]):
                raise Missing(f"the grid's {attack} rows of {network} have different images")
            right[np.searchsorted(eps, size)] &= of["adversarial"] == of["label"]
        return Curves(eps, first["id"], first["clean"] == first["label"], right)

    def _of(self, rows: pd.DataFrame, attacker: str) -> pd.DataFrame:
        """Return the rows of an attacker's threats."""
        threats = self.labels.threats
        fits = OBLIVIOUS.__eq__ if attacker == OBLIVIOUS else threats.sees_defence
        return rows[rows["threat"].map(fits).astype(bool)]

    def _cell(self, cell: str) -> dict[str, Array]:
        span = self._predictions.spans.get(cell)
        if span is None:
            raise Missing(f"predictions.parquet lacks the cell {cell}")
        return {name: values[span] for name, values in self._predictions.arrays.items()}


def chosen(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows of a table that have these values; raises Missing for a missing column."""
    for column in values:
        if column not in table:
            raise Missing(f"a table has no column {column}")
    return select(table, **values)
