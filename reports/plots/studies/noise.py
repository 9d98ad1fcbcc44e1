"""Figure 6: the noise of three attacks on one image, and their sizes over a sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.plots.studies.drawing import (
    arrays_of,
    below,
    by_subject,
    grouped_boxes,
    save,
    scale_of,
    show_image,
    show_noise,
    table_of,
)
from reports.results.predictions import Array
from reports.style.labels import Labels, file_name, read_labels
from reports.style.style import styled

LABELS = {
    "l2": "$L_2$ norm",
    "linf": "$L_\\infty$ norm",
    "l0_share": "share of pixels changed\nby more than 1/255",
    "mean_abs": "mean absolute change",
}


def draw(folder: Path) -> list[Path]:
    """Draw the three noises on one image per network, and the sizes over the sample."""
    labels = read_labels(folder)
    panels, arrays = table_of(folder, "panels"), arrays_of(folder)
    written = []
    with styled():
        for dataset, network, rows in by_subject(panels):
            mine = below(arrays, f"{dataset}.{network}.")
            figure = _noises(rows, mine, labels.place(dataset, network), labels)
            written.append(save(figure, folder, file_name("noise", dataset, network)))
        written.append(save(_sizes(table_of(folder, "norms"), labels), folder, "norms"))
    return written


def _noises(rows: pd.DataFrame, arrays: Mapping[str, Array], where: str, labels: Labels) -> Figure:
    """Draw one row per attack: image, noise on the shared and on its own scale, attacked image."""
    clean, attacks = rows.iloc[0], rows.iloc[1:]
    change = {a: arrays[a].astype(np.float64) - arrays["clean"] for a in attacks["attack"]}
    # on the scale of the panels: the mean of the channels
    limits = {a: float(np.abs(c.mean(axis=0)).max()) or 1.0 for a, c in change.items()}
    figure = Figure(figsize=(9.4, 2.55 * len(attacks) + 0.6), layout="constrained")
    axes = figure.subplots(len(attacks), 4, squeeze=False)
    for line, (_, row) in zip(axes, attacks.iterrows(), strict=True):
        attack = row["attack"]
        name = labels.attack(attack) + (" (aimed)" if row["how"] == "targeted" else "")
        show_image(
            line[0],
            arrays["clean"],
            f"test[{row['id']}]: {row['source']}\n"
            f"read as {clean['predicted']} ({100 * clean['confidence']:.1f} %)",
        )
        sized = f"$L_2$ {row['l2']:.3g}, $L_\\infty$ {row['linf']:.3g}"
        shared = show_noise(line[1], change[attack], max(limits.values()), f"{name}\n{sized}")
        own = show_noise(line[2], change[attack], limits[attack], f"{name}\non its own scale")
        scale_of(figure, shared, line[1])
        scale_of(figure, own, line[2])
        show_image(
            line[3],
            arrays[attack],
            f"{name}\nread as {row['predicted']} ({100 * row['confidence']:.1f} %)",
        )
    colour = " (noise: mean of channels)" if arrays["clean"].shape[0] > 1 else ""
    instead = "" if clean["as_asked"] else ", the nearest to the pair asked for"
    figure.suptitle(f"{where}: {clean['source']} read as {clean['target']}{instead}{colour}")
    return figure


def _sizes(norms: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the sizes of each attack at its smallest, over the images that all three break."""
    rows = norms[norms["all_found"]]
    places = zip(rows["dataset"], rows["network"], strict=True)
    rows = rows.assign(
        subject=[labels.place(d, n).replace(", ", "\n") for d, n in places],
        name=rows["attack"].map(labels.attack),
    )
    figure = Figure(figsize=(9.6, 6.2), layout="constrained")
    axes = figure.subplots(2, 2).flat
    for ax, (measure, label) in zip(axes, LABELS.items(), strict=True):
        grouped_boxes(ax, rows, "subject", measure, "name")
        ax.set(xlabel="", ylabel=label)
        if measure != "l0_share":
            ax.set(yscale="log")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    count = rows.drop_duplicates(["dataset", "network", "id"]).shape[0]
    figure.suptitle(
        f"Each attack at its smallest: {count} images that all three break"
        " (box: quartiles, whiskers: 5 % to 95 %)"
    )
    return figure
