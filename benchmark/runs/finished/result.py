"""What a run returns, and where its directory is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmark.grids.model import Grid, grid_hash

RUNS = Path("reports") / "runs"


@dataclass(frozen=True, eq=False)
class Table:
    """A table of cells, and its parts without numbers.

    table: one row per cell, the columns of `results.csv`.
    """

    table: pd.DataFrame

    @property
    def skipped(self) -> pd.DataFrame:
        """The rows whose data were unavailable."""
        return self.table[self.table["status"] == "skipped"]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that raised."""
        return self.table[self.table["status"] == "failed"]


@dataclass(frozen=True)
class Result(Table):
    """A finished run.

    table: one row per cell, the columns of `results.csv`.
    directory: the run directory.
    reused: number of cells that were stored already.
    findings: the sanity checks, the columns of `audit.csv`.
    unproved: the reason of each certificate that raised, by what it is of.
    unplotted: a sentence for each figure that the plots leave out.
    """

    directory: Path
    reused: int
    findings: pd.DataFrame
    unproved: Mapping[str, str] = field(default_factory=dict)
    unplotted: Sequence[str] = ()


def directory_of(grid: Grid, out: Path | None) -> Path:
    """Return the directory of a run; by default below RUNS, named by the grid and its cells."""
    return out or RUNS / f"{grid.name}-{grid_hash(grid.cells())}"
