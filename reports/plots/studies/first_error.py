"""Figures 13 and 14: the smallest eps, image by image and over a sample."""

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
from reports.results.rows import select
from reports.style.labels import Labels, file_name, read_labels
from reports.style.style import NORM_LABEL, WONG, styled


def draw(folder: Path) -> list[Path]:
    """Draw panels of one image per network, the survival curves, the lengths of both steps."""
    labels = read_labels(folder)
    panels, arrays = table_of(folder, "panels"), arrays_of(folder)
    images = table_of(folder, "images")
    written = []
    with styled():
        for dataset, network, rows in by_subject(panels):
            mine = below(arrays, f"{dataset}.{network}.")
            figure = _panels(rows, mine, labels.place(dataset, network), labels)
            written.append(save(figure, folder, file_name("panels", dataset, network)))
        survival, summary = table_of(folder, "survival"), table_of(folder, "summary")
        written.append(save(_survival(survival, summary, labels), folder, "survival"))
        broken = images[(images["smallest_eps"] > 0) & ~images["censored"]]
        written.append(save(_lengths(broken, labels), folder, "lengths"))
    return written


def _panels(rows: pd.DataFrame, arrays: Mapping[str, Array], where: str, labels: Labels) -> Figure:
    """Draw original, noise and attacked image, one row per attack, one noise scale per image."""
    figure = Figure(figsize=(7.0, 2.5 * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for line, (_, row) in zip(axes, rows.iterrows(), strict=True):
        clean, moved = (arrays[f"{row['id']}.{name}"] for name in ("clean", row["attack"]))
        limit = max(
            float(np.abs(arrays[f"{row['id']}.{name}"] - clean).max()) for name in ("fgsm", "fgm")
        )
        name = labels.attack(row["attack"])
        show_image(
            line[0],
            clean,
            f"{row['split']}[{row['id']}]: {row['class']}\n"
            f"read as {row['predicted']} ({100 * row['confidence']:.0f} %)",
        )
        if row["smallest_eps"] == 0:
            texts = (f"{name}: no noise needed", "wrong without an attack")
        elif row["censored"]:
            texts = (f"{name}: none up to eps {row['eps_max']:g}\nchanges the class", "not broken")
        else:
            texts = (
                f"{name}, eps {row['smallest_eps']:.3g}\n"
                f"$L_2$ {row['l2']:.3g}, $L_\\infty$ {row['linf']:.3g}",
                f"read as {row['becomes']} ({100 * row['becomes_confidence']:.0f} %)",
            )
        shown = show_noise(line[1], moved - clean, limit or 1.0, texts[0])
        scale_of(figure, shown, line[1])
        show_image(line[2], moved, texts[1])
    second = " (next right image below)" if rows["choice"].nunique() > 1 else ""
    colour = (
        ", noise: mean of channels" if arrays[f"{rows['id'].iloc[0]}.clean"].shape[0] > 1 else ""
    )
    figure.suptitle(f"{where}: first error{second}{colour}")
    return figure


def _survival(survival: pd.DataFrame, summary: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the share of images still right against eps, with the Kaplan-Meier band."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    attacks = list(summary["attack"].drop_duplicates())
    for ax, attack in zip(
        figure.subplots(1, len(attacks), squeeze=False).flat, attacks, strict=True
    ):
        lines = summary[summary["attack"] == attack]
        start = survival.loc[survival["attack"] == attack, "eps"].min() / 1.5
        for colour, (_, line) in zip(WONG, lines.iterrows(), strict=False):
            place = {name: line[name] for name in ("attack", "dataset", "network")}
            curve = select(survival, **place)
            label = (
                f"{labels.place(line['dataset'], line['network'])}: median {line['median']:.3g}"
                f" [{line['median_low']:.3g}, {line['median_high']:.3g}],"
                f" {line['censored']} of {line['n']} censored"
            )
            eps, share = ([first, *curve[name]] for name, first in (("eps", start), ("share", 1)))
            ax.step(eps, share, where="post", color=colour, label=label)
            ax.fill_between(
                curve["eps"],
                curve["share_low"].fillna(curve["share"]),
                curve["share_high"].fillna(curve["share"]),
                step="post",
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
        norm = str(lines["norm"].iloc[0])
        ax.set(
            xscale="log",
            ylim=(0, 1.02),
            xlabel=NORM_LABEL[norm],
            ylabel="share of images still right",
            title=labels.attack(attack),
        )
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    figure.suptitle("Images that hold out (right without attack; Kaplan-Meier with 95 % bands)")
    return figure


def _lengths(broken: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the L2 length of both steps at first error, which their own norms hide."""
    places = zip(broken["dataset"], broken["network"], strict=True)
    rows = broken.assign(
        subject=[labels.place(d, n) for d, n in places], name=broken["attack"].map(labels.attack)
    )
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    grouped_boxes(ax, rows, "subject", "l2", "name")
    ax.legend(loc="upper right")
    ax.set(
        yscale="log",
        xlabel="",
        ylabel="$L_2$ of the step (pixels in [0, 1])",
        title="Length of the step at first error (box: quartiles, whiskers: 5 % to 95 %)",
    )
    return figure
