"""Figures 13 and 14: the smallest eps, image by image and over a sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies import drawing
from reports.plots.studies.drawing import QUARTILES, show_image, table_of
from reports.results.predictions import Array
from reports.results.rows import select
from reports.style.axes import new_figure, shade
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import NORM_LABEL, WONG


@saved
def draw(folder: Path) -> Figures:
    """Draw panels of one image per network, the survival curves, the lengths of both steps."""
    labels, arrays = read_labels(folder).for_figures(), drawing.arrays_of(folder)
    for dataset, network, rows in drawing.by_subject(table_of(folder, "panels")):
        mine = drawing.below(arrays, f"{dataset}.{network}.")
        figure = _panels(rows, mine, labels.place(dataset, network), labels)
        yield file_name("panels", dataset, network), figure
    survival, summary = table_of(folder, "survival"), table_of(folder, "summary")
    yield "survival", _survival(survival, summary, labels)
    images = table_of(folder, "images")
    yield "lengths", _lengths(images[(images["smallest_eps"] > 0) & ~images["censored"]], labels)


def _panels(rows: pd.DataFrame, arrays: Mapping[str, Array], where: str, labels: Labels) -> Figure:
    """Draw original, noise and attacked image, one row per attack, one noise scale per image."""
    figure, axes = new_figure(7.0, 2.5 * len(rows) + 0.5, len(rows), 3)
    for line, (_, row) in zip(axes, rows.iterrows(), strict=True):
        clean, moved = (arrays[f"{row['id']}.{name}"] for name in ("clean", row["attack"]))
        both = [arrays[f"{row['id']}.{name}"] for name in ("fgsm", "fgm")]
        limit = max(float(np.abs(attacked - clean).max()) for attacked in both)
        name = labels.attack(row["attack"])
        read = f"read as {row['predicted']} ({100 * row['confidence']:.0f} %)"
        show_image(line[0], clean, f"{row['split']}[{row['id']}]: {row['class']}\n{read}")
        if row["smallest_eps"] == 0:
            texts = (f"{name}: no noise needed", "wrong without an attack")
        elif row["censored"]:
            texts = (f"{name}: none up to eps {row['eps_max']:g}\nchanges the class", "not broken")
        else:
            sized = f"$L_2$ {row['l2']:.3g}, $L_\\infty$ {row['linf']:.3g}"
            read = f"read as {row['becomes']} ({100 * row['becomes_confidence']:.0f} %)"
            texts = (f"{name}, eps {row['smallest_eps']:.3g}\n{sized}", read)
        shown = drawing.show_noise(line[1], moved - clean, limit or 1.0, texts[0])
        drawing.scale_of(figure, shown, line[1])
        show_image(line[2], moved, texts[1])
    second = " (next right image below)" if rows["choice"].nunique() > 1 else ""
    coloured = arrays[f"{rows['id'].iloc[0]}.clean"].shape[0] > 1
    colour = ", noise: mean of channels" if coloured else ""
    figure.suptitle(f"{where}: first error{second}{colour}")
    return figure


def _survival(survival: pd.DataFrame, summary: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the share of images still right against eps, with the Kaplan-Meier band."""
    attacks = list(summary["attack"].drop_duplicates())
    figure, (axes,) = new_figure(9.6, 3.8, 1, len(attacks))
    for ax, attack in zip(axes, attacks, strict=True):
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
            low, high = (curve[f"share_{end}"].fillna(curve["share"]) for end in ("low", "high"))
            shade(ax, curve["eps"], low, high, colour, 0.2, step="post")
        ax.set(xscale="log", ylim=(0, 1.02), xlabel=NORM_LABEL[str(lines["norm"].iloc[0])])
        ax.set(ylabel="share of images still right", title=labels.attack(attack))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7)
    figure.suptitle("Images that hold out (right without attack; Kaplan-Meier with 95 % bands)")
    return figure


def _lengths(broken: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the L2 length of both steps at first error, which their own norms hide."""
    figure, ((ax,),) = new_figure(6.4, 3.6)
    drawing.grouped_boxes(ax, drawing.named(broken, labels), "subject", "l2", "name")
    ax.legend(loc="upper right")
    ax.set(yscale="log", xlabel="", ylabel="$L_2$ of the step (pixels in [0, 1])")
    ax.set_title(f"Length of the step at first error ({QUARTILES})")
    return figure
