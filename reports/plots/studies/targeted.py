"""Figure 5: the sheet of targeted attacks, and success and distance of each pair of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.plots.studies.drawing import arrays_of, by_subject, save, show_image, table_of
from reports.results.predictions import Array
from reports.results.rows import select
from reports.style.labels import file_name, read_labels
from reports.style.style import WIDEST, styled


def draw(folder: Path) -> list[Path]:
    """Draw the sheet, and heat maps of success and mean L2, for each network."""
    labels = read_labels(folder)
    pairs, attacks = table_of(folder, "pairs"), table_of(folder, "attacks")
    sheet, arrays = attacks[attacks["on_sheet"]], arrays_of(folder)
    written = []
    with styled():
        for dataset, network, rows in by_subject(pairs):
            where = dataset, network
            shown = select(sheet, dataset=dataset, network=network)
            images = arrays[f"{dataset}.{network}.sheet"]
            classes = [str(name) for name in arrays[f"{dataset}.{network}.classes"]]
            drawn = _sheet(images, shown, classes, labels.place(*where))
            written.append(save(drawn, folder, file_name("sheet", *where)))
            drawn = _maps(rows, classes, labels.place(*where))
            written.append(save(drawn, folder, file_name("pairs", *where)))
    return written


def _sheet(images: Array, attacks: pd.DataFrame, classes: list[str], name: str) -> Figure:
    """Draw the sheet: rows are sources, columns targets, the clean images on the diagonal."""
    failed = {(r["source"], r["target"]) for _, r in attacks[~attacks["success"]].iterrows()}
    size = 0.78 * len(classes)
    figure = Figure(figsize=(size + 0.9, size + 1.1), layout="constrained")
    axes = figure.subplots(len(classes), len(classes), squeeze=False)
    for i, source in enumerate(classes):
        for j, target in enumerate(classes):
            ax = axes[i, j]
            image = images[i, j]
            if np.isnan(image).any():
                image = np.ones_like(image)
            show_image(ax, image, target if i == 0 else "")
            if i == j or (source, target) in failed:
                for spine in ax.spines.values():
                    spine.set_visible(True)
                    spine.set(color="#D55E00" if i != j else "#0072B2", linewidth=2)
            if j == 0:
                ax.set_ylabel(source, fontsize=9, rotation=0, ha="right", va="center", labelpad=4)
    figure.supylabel("source class", fontsize=10)
    reds = ", red frame: no success" if failed else ""
    figure.suptitle(f"{name}: C&W into each target class (columns)\nblue frame: clean image{reds}")
    return figure


def _maps(rows: pd.DataFrame, classes: list[str], name: str) -> Figure:
    """Draw success and mean L2 of each pair."""
    long = max(map(len, classes)) > 3
    figure = Figure(figsize=(WIDEST, 4.6), layout="constrained")
    rows = rows.assign(percent=100 * rows["success"])
    columns = (
        ("percent", "attacks that succeed (%)", "viridis", ".0f", (0, 100)),
        ("l2_mean", "mean $L_2$ of the successes", "mako_r", ".2f", (0, None)),
    )
    for ax, (column, label, colours, form, (low, high)) in zip(
        figure.subplots(1, 2), columns, strict=True
    ):
        wide = rows.pivot(index="source", columns="target", values=column)
        sns.heatmap(
            wide.reindex(index=classes, columns=classes),
            ax=ax,
            annot=True,
            fmt=form,
            cmap=colours,
            vmin=low,
            vmax=high,
            annot_kws={"fontsize": 7},
            square=True,
            cbar_kws={"shrink": 0.7},
        )
        ax.grid(False)
        ax.set(xlabel="target class", ylabel="source class", title=label)
        if long:
            ax.set_xticklabels(classes, rotation=45, ha="right", rotation_mode="anchor")
        ax.tick_params(axis="y", rotation=0)
    figure.suptitle(f"{name}: targeted C&W, images a pair: {int(rows['images'].max())}")
    return figure
