"""Figure 5: the sheet of targeted attacks, and success and distance of each pair of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import arrays_of, by_subject, show_image, table_of
from reports.results.predictions import Array
from reports.results.rows import select
from reports.style.axes import new_figure
from reports.style.file_names import file_name
from reports.style.labels import read_labels
from reports.style.style import WIDEST


@saved
def draw(folder: Path) -> Figures:
    """Draw the sheet, and heat maps of success and mean L2, for each network."""
    labels, arrays = read_labels(folder).for_figures(), arrays_of(folder)
    attacks = table_of(folder, "attacks")
    for dataset, network, rows in by_subject(table_of(folder, "pairs")):
        place = labels.place(dataset, network)
        shown = select(attacks[attacks["on_sheet"]], dataset=dataset, network=network)
        images = arrays[f"{dataset}.{network}.sheet"]
        classes = [str(name) for name in arrays[f"{dataset}.{network}.classes"]]
        yield file_name("sheet", dataset, network), _sheet(images, shown, classes, place)
        yield file_name("pairs", dataset, network), _maps(rows, classes, place)


def _sheet(images: Array, attacks: pd.DataFrame, classes: list[str], name: str) -> Figure:
    """Draw the sheet: rows are sources, columns targets, the clean images on the diagonal."""
    failed = {(r["source"], r["target"]) for _, r in attacks[~attacks["success"]].iterrows()}
    size = 0.78 * len(classes)
    figure, axes = new_figure(size + 0.9, size + 1.1, len(classes), len(classes))
    for i, source in enumerate(classes):
        for j, target in enumerate(classes):
            ax, image = axes[i, j], images[i, j]
            image = np.ones_like(image) if np.isnan(image).any() else image
            show_image(ax, image, target if i == 0 else "")
            if i == j or (source, target) in failed:
                colour = "#D55E00" if i != j else "#0072B2"
                ax.spines[:].set(visible=True, color=colour, linewidth=2)
            if j == 0:
                ax.set_ylabel(source, fontsize=9, rotation=0, ha="right", va="center", labelpad=4)
    figure.supylabel("source class", fontsize=10)
    reds = ", red frame: no success" if failed else ""
    figure.suptitle(f"{name}: C&W into each target class (columns)\nblue frame: clean image{reds}")
    return figure


def _maps(rows: pd.DataFrame, classes: list[str], name: str) -> Figure:
    """Draw success and mean L2 of each pair."""
    long = max(map(len, classes)) > 3
    figure, (axes,) = new_figure(WIDEST, 4.6, 1, 2)
    rows = rows.assign(percent=100 * rows["success"])
    columns = (
        ("percent", "attacks that succeed (%)", "viridis", ".0f", (0, 100)),
        ("l2_mean", "mean $L_2$ of the successes", "mako_r", ".2f", (0, None)),
    )
    for ax, (column, label, colours, form, (low, high)) in zip(axes, columns, strict=True):
        wide = rows.pivot(index="source", columns="target", values=column)
        wide = wide.reindex(index=classes, columns=classes)
        numbers = {"annot": True, "fmt": form, "annot_kws": {"fontsize": 7}}
        look = {"cmap": colours, "square": True, "cbar_kws": {"shrink": 0.7}}
        sns.heatmap(wide, ax=ax, vmin=low, vmax=high, **numbers, **look)
        ax.grid(False)
        ax.set(xlabel="target class", ylabel="source class", title=label)
        if long:
            ax.set_xticklabels(classes, rotation=45, ha="right", rotation_mode="anchor")
        ax.tick_params(axis="y", rotation=0)
    figure.suptitle(f"{name}: targeted C&W, images a pair: {int(rows['images'].max())}")
    return figure
