"""Figure 19b and Table 1."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import table_of
from reports.plots.studies.sweep import sweep_figures
from reports.plots.studies.table_image import table_figure
from reports.style.file_names import file_name
from reports.style.labels import read_labels

HEADER = ["additional layers", "parameters", "printed in the report"]


@saved
def draw(folder: Path) -> Figures:
    """Draw accuracy by number of layers, accuracy, loss and area against it, and Table 1."""
    labels = read_labels(folder).for_figures()
    yield from sweep_figures(folder, "extra_layers", "gap", HEADER[0], lambda n: f"{n:g}")
    for name, rows in table_of(folder, "parameters").groupby("dataset", sort=False):
        yield file_name("parameters", str(name)), table_1(rows, labels.dataset(str(name)))


def table_1(rows: pd.DataFrame, dataset: str) -> Figure:
    """Draw Table 1: counted and printed parameters; rows in which they differ are bold.

    dataset: its label.
    """
    printed = ["" if pd.isna(count) else f"{count:,.0f}" for count in rows["printed"]]
    counted = zip(rows["extra_layers"], rows["parameters"], printed, strict=True)
    texts = [[f"{layers}", f"{count:,}", in_print] for layers, count, in_print in counted]
    differs = [n for n, note in enumerate(rows["note"]) if isinstance(note, str) and note]
    noted = rows.iloc[differs]
    notes = zip(noted["extra_layers"], noted["note"], strict=True)
    note = " ".join(f"{layers} additional layers: {text}." for layers, text in notes)
    title = f"Table 1: LeNet on {dataset} with additional layers"
    return table_figure(HEADER, texts, (1.6, 1.3, 1.9), (0, 1, 2), title, note, differs)
