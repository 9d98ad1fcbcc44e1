"""Figure 6: the noise of three attacks on one image, and their sizes over a sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies import drawing
from reports.plots.studies.drawing import QUARTILES, show_image, show_noise, table_of
from reports.results.predictions import Array
from reports.style.axes import legend_below, new_figure
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels

LABELS = {
    "l2": "$L_2$ norm",
    "linf": "$L_\\infty$ norm",
    "l0_share": "share of pixels changed\nby more than 1/255",
    "mean_abs": "mean absolute change",
}


@saved
def draw(folder: Path) -> Figures:
    """Draw the three noises on one image per network, and the sizes over the sample."""
    labels, arrays = read_labels(folder).for_figures(), drawing.arrays_of(folder)
    for dataset, network, rows in drawing.by_subject(table_of(folder, "panels")):
        mine = drawing.below(arrays, f"{dataset}.{network}.")
        figure = _noises(rows, mine, labels.place(dataset, network), labels)
        yield file_name("noise", dataset, network), figure
    yield "norms", _sizes(table_of(folder, "norms"), labels)


def _noises(rows: pd.DataFrame, arrays: Mapping[str, Array], where: str, labels: Labels) -> Figure:
    """Draw one row per attack: image, noise on the shared and on its own scale, attacked image."""
    clean, attacks = rows.iloc[0], rows.iloc[1:]
    change = {a: arrays[a].astype(np.float64) - arrays["clean"] for a in attacks["attack"]}
    # on the scale of the panels: the mean of the channels
    limits = {a: drawing.largest(c) or 1.0 for a, c in change.items()}
    figure, axes = new_figure(9.4, 2.55 * len(attacks) + 0.6, len(attacks), 4)
    first = f"test[{clean['id']}]: {clean['source']}\n{_read(clean)}"
    for line, (_, row) in zip(axes, attacks.iterrows(), strict=True):
        attack = row["attack"]
        name = labels.attack(attack) + (" (aimed)" if row["how"] == "targeted" else "")
        show_image(line[0], arrays["clean"], first)
        sized = f"$L_2$ {row['l2']:.3g}, $L_\\infty$ {row['linf']:.3g}"
        shared = show_noise(line[1], change[attack], max(limits.values()), f"{name}\n{sized}")
        own = show_noise(line[2], change[attack], limits[attack], f"{name}\non its own scale")
        drawing.scale_of(figure, shared, line[1])
        drawing.scale_of(figure, own, line[2])
        show_image(line[3], arrays[attack], f"{name}\n{_read(row)}")
    colour = " (noise: mean of channels)" if arrays["clean"].shape[0] > 1 else ""
    instead = "" if clean["as_asked"] else ", the nearest to the pair asked for"
    figure.suptitle(f"{where}: {clean['source']} read as {clean['target']}{instead}{colour}")
    return figure


def _read(row: pd.Series) -> str:
    return f"read as {row['predicted']} ({100 * row['confidence']:.1f} %)"


def _sizes(norms: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the sizes of each attack at its smallest, over the images that all three break."""
    rows = drawing.named(norms[norms["all_found"]], labels)
    rows["subject"] = rows["subject"].str.replace(", ", "\n")
    figure, axes = new_figure(9.6, 6.2, 2, 2)
    for ax, (measure, label) in zip(axes.flat, LABELS.items(), strict=True):
        drawing.grouped_boxes(ax, rows, "subject", measure, "name")
        ax.set(xlabel="", ylabel=label)
        if measure != "l0_share":
            ax.set(yscale="log")
    legend_below(figure, axes[0, 0])
    count = rows.drop_duplicates(["dataset", "network", "id"]).shape[0]
    broken = f"{count} images that all three break"
    figure.suptitle(f"Each attack at its smallest: {broken} ({QUARTILES})")
    return figure
