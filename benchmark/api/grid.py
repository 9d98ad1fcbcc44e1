"""Run a grid from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.api.progress import shown
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid, load_grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run


def run_grid(
    grid: str | Path | Mapping[str, Any] | Grid,
    *,
    allow_import: bool = False,
    progress: bool | Progress = True,
    **options: Any,
) -> pd.DataFrame:
    """Run a grid and return its table: one row per cell, the columns of `results.csv`.

    grid: the name of a shipped grid, the path of a grid file, a mapping with the keys of one, or a
        `Grid`. allow_import: as in `load_grid`.
    progress: whether to show it; or the functions to call.
    options: the other fields of `RunOptions`.
    """
    loaded = load_grid(grid, allow_import)
    with shown(progress) as hooks:
        return run(loaded, RunOptions(progress=hooks, **options)).table
