"""Figures 26 to 31: training curves and layer tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.plots.studies.drawing import by_subject, save, table_of
from reports.plots.studies.table_image import table_figure
from reports.plots.training import draw_training
from reports.style.labels import file_name, read_labels
from reports.style.style import styled


def draw(folder: Path) -> list[Path]:
    """Draw curves and layer table of each network."""
    labels = read_labels(folder)
    history, layers = table_of(folder, "history"), table_of(folder, "layers")
    written = []
    with styled():
        for dataset, network, rows in by_subject(history):
            wide = rows.pivot_table("value", "epoch", ["split", "measure"])
            wide.columns = pd.Index(["_".join(name) for name in wide.columns.to_flat_index()])
            path = folder / f"{file_name('curves', dataset, network)}.png"
            draw_training(wide.reset_index(), f"{labels.place(dataset, network)}: training", path)
            written.append(path)
        for dataset, network, rows in by_subject(layers):
            sizes = rows["output_shape"].str.replace("x", " x ")
            texts = [
                [f"{layer}", f"{size}", f"{count:,}"]
                for layer, size, count in zip(rows["layer"], sizes, rows["parameters"], strict=True)
            ]
            total = int(rows["parameters"].sum())
            figure = table_figure(
                ["layer", "output shape", "parameters"],
                [*texts, ["all", "", f"{total:,}"]],
                (1.9, 1.4, 1.2),
                (2,),
                f"{labels.place(dataset, network)}: layers",
                bold=(len(texts),),
                note="Channels first. Parameters as Keras counts them, running statistics of a"
                " batch norm included.",
            )
            written.append(save(figure, folder, file_name("layers", dataset, network)))
    return written
