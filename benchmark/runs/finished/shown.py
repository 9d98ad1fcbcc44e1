"""What a run shows: plots, gallery and page, made in a side folder and put in place together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.grids.cell import Cell
from benchmark.runs import gallery
from benchmark.runs.inputs import RunInputs
from benchmark.runs.options import RunOptions
from estimators.atomic import replace_entries
from reports.errors import TableError
from reports.page.page import FILE as PAGE
from reports.page.page import write_page
from reports.plots import saving
from reports.plots.plots import draw_all
from reports.results.certificates import read_certificates
from reports.style.labels import read_labels

PLOTS = "plots"


def write_shown(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    inputs: RunInputs,
    directory: Path,
    device: str,
    options: RunOptions,
) -> None:
    """Write `plots/`, `gallery/` and `report.html` of a run whose tables are written.

    They take the place of those of an earlier run together. Other files in the folders stay.

    cells, table: the cells of the run and their rows, in the same order.
    """
    finishing = options.progress.finishing

    def fill(side: Path) -> None:
        finishing("drawing plots")
        draw_all(table, side / PLOTS, read_labels(directory), read_certificates(directory))
        finishing("drawing the gallery")
        gallery.write_gallery(cells, table, inputs, directory, side / gallery.FOLDER, device)
        finishing("writing the page")
        _write_page(directory, side, options)

    foreign = {PLOTS: saving.is_foreign, gallery.FOLDER: gallery.is_foreign}
    replace_entries(directory, fill, {**foreign, PAGE: lambda name: False})


def _write_page(directory: Path, side: Path, options: RunOptions) -> None:
    """Write the page; a baseline of other data costs the comparison alone, with a warning."""
    try:
        write_page(directory, options.baseline, side)
    except TableError as error:
        if options.baseline is None:
            raise
        write_page(directory, shown=side)
        options.progress.message(f"warning: the page has no comparison: {error}")
