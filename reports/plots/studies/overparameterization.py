"""Figure 19b and Table 1."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.studies.drawing import save, table_of
from reports.plots.studies.sweep import draw_sweep
from reports.plots.studies.table_image import table_figure
from reports.style.labels import file_name, read_labels
from reports.style.style import styled


def draw(folder: Path) -> list[Path]:
    """Draw accuracy by number of layers, accuracy, loss and area against it, and Table 1."""
    labels = read_labels(folder)
    written = draw_sweep(folder, "extra_layers", "gap", "additional layers", lambda n: f"{n:g}")
    table = table_of(folder, "parameters")
    with styled():
        for dataset, rows in table.groupby("dataset", sort=False):
            name = f"{dataset!s}"
            written.append(
                save(table_1(rows, labels.dataset(name)), folder, file_name("parameters", name))
            )
    return written


def table_1(rows: pd.DataFrame, dataset: str) -> Figure:
    """Draw Table 1: counted and printed parameters; rows in which they differ are bold.

    dataset: its label.
    """
    notes = [
        f"{layers} additional layers: {note}."
        for layers, note in zip(rows["extra_layers"], rows["note"], strict=True)
        if isinstance(note, str) and note
    ]
    differs = [n for n, note in enumerate(rows["note"]) if isinstance(note, str) and note]
    printed = rows["printed"].map(lambda count: "" if pd.isna(count) else f"{count:,.0f}")
    texts = [
        [f"{layers}", f"{count:,}", f"{in_print}"]
        for layers, count, in_print in zip(
            rows["extra_layers"], rows["parameters"], printed, strict=True
        )
    ]
    return table_figure(
        ["additional layers", "parameters", "printed in the report"],
        texts,
        (1.6, 1.3, 1.9),
        (0, 1, 2),
        f"Table 1: LeNet on {dataset} with additional layers",
        " ".join(notes),
        differs,
    )
