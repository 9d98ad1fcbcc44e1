"""Figures 26 to 31: training curves and layer tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import by_subject, table_of
from reports.plots.studies.table_image import table_figure
from reports.plots.training import training_curves
from reports.style.file_names import file_name
from reports.style.labels import read_labels

HEADER = ["layer", "output shape", "parameters"]
NOTE = (
    "Channels first. Parameters as Keras counts them, running statistics of a batch norm included."
)


@saved
def draw(folder: Path) -> Figures:
    """Draw curves and layer table of each network."""
    labels = read_labels(folder).for_figures()
    for dataset, network, rows in by_subject(table_of(folder, "history")):
        wide = rows.pivot_table("value", "epoch", ["split", "measure"])
        wide.columns = pd.Index(["_".join(name) for name in wide.columns.to_flat_index()])
        figure = training_curves(wide.reset_index(), f"{labels.place(dataset, network)}: training")
        yield file_name("curves", dataset, network), figure
    for dataset, network, rows in by_subject(table_of(folder, "layers")):
        counts = [f"{count:,}" for count in (*rows["parameters"], rows["parameters"].sum())]
        layers = [*rows["layer"], "all"]
        sizes = [*rows["output_shape"].str.replace("x", " x "), ""]
        texts = list(zip(layers, sizes, counts, strict=True))
        title = f"{labels.place(dataset, network)}: layers"
        bold = (len(rows),)
        figure = table_figure(HEADER, texts, (1.9, 1.4, 1.2), (2,), title, NOTE, bold)
        yield file_name("layers", dataset, network), figure
