"""Figures 7 and 10, and the shares of images that JPEG rescues and breaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import arrays_of, by_subject, show_image, table_of
from reports.results.predictions import Array
from reports.style.axes import flat_grid, legend_below, new_figure, outer_labels, shade
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import WONG

LINES = (
    ("rescued", "oblivious", "rescued, attacker does not know", WONG[0], "o-"),
    ("rescued", "adaptive", "rescued, attacker knows (BPDA)", WONG[2], "^-"),
    ("broken", "oblivious", "broken without an attack", WONG[1], "s--"),
)


@saved
def draw(folder: Path) -> Figures:
    """Draw one image at each quality, the steps of a rescue, and the rescued against quality."""
    labels, arrays = read_labels(folder).for_figures(), arrays_of(folder)
    for dataset, rows in table_of(folder, "compressed").groupby("dataset", sort=False):
        figure = _qualities(rows, arrays, str(dataset), labels)
        yield file_name("qualities", str(dataset)), figure
    for dataset, network, rows in by_subject(table_of(folder, "story")):
        figure = _story(rows, arrays, dataset, network, labels)
        yield file_name("story", dataset, network), figure
    yield "rescued", _rescued(table_of(folder, "rescued"), labels)


def _qualities(
    rows: pd.DataFrame, arrays: Mapping[str, Array], dataset: str, labels: Labels
) -> Figure:
    """Draw the image as it is and at each quality."""
    columns = -(-(len(rows) + 1) // 3)
    figure, grid = new_figure(1.9 * columns, 7.0, 3, columns)
    axes, first = iter(grid.flat), rows.iloc[0]
    title = f"as it is\n{first['raw_bytes']:,} bytes of pixels"
    show_image(next(axes), arrays[f"{dataset}.0"], title)
    for _, row in rows.iterrows():
        text = f"quality {row['quality']}\n{row['bytes']:,} bytes, PSNR {row['psnr']:.1f} dB"
        show_image(next(axes), arrays[f"{dataset}.{row['quality']}"], text)
    for ax in axes:
        ax.set_visible(False)
    name = labels.dataset(dataset)
    figure.suptitle(f"{name}, {first['split']}[{first['id']}] ({first['class']}) as JPEG")
    return figure


def _story(
    rows: pd.DataFrame, arrays: Mapping[str, Array], dataset: str, network: str, labels: Labels
) -> Figure:
    """Draw the clean, attacked and compressed image with the network's prediction of each."""
    figure, (axes,) = new_figure(7.4, 3.05, 1, 3)
    first = rows.iloc[0]
    titles = {
        "clean": f"test[{first['id']}]: {first['class']}",
        "attacked": f"FGSM, eps {first['eps']:g}",
        "compressed": f"FGSM, then JPEG of quality {first['quality']}",
    }
    for ax, (_, row) in zip(axes, rows.iterrows(), strict=True):
        prediction = f"read as {row['predicted']} ({100 * row['confidence']:.1f} %)"
        image = arrays[f"{dataset}.{network}.{row['step']}"]
        show_image(ax, image, f"{titles[row['step']]}\n{prediction}")
    figure.suptitle(f"{labels.place(dataset, network)}: a {first['class']} lost and rescued")
    return figure


def _rescued(rescued: pd.DataFrame, labels: Labels) -> Figure:
    """Draw shares of the images that are right when clean, one panel per network and eps."""
    panels = list(rescued.groupby(["dataset", "network", "eps"], sort=False))
    figure, axes = flat_grid(len(panels), width=4.8, height=2.9, legend=0.75)
    for ax, ((dataset, network, eps), rows) in zip(axes, panels, strict=True):
        for measure, threat, label, colour, style in LINES:
            part = rows[(rows["threat"] == threat) & (rows["defence"] == "jpeg")]
            part = part.sort_values("quality")
            ax.plot(part["quality"], part[measure], style, color=colour, label=label, markersize=4)
            low, high = part[f"{measure}_low"], part[f"{measure}_high"]
            shade(ax, part["quality"], low, high, colour)
        control = rows[(rows["defence"] == "quantize") & (rows["threat"] == "oblivious")]
        label = "rescued by 8 bits alone (attacker does not know)"
        ax.axhline(float(control["rescued"].iloc[0]), color="#555555", linestyle=":", label=label)
        n = int(rows["n"].iloc[0])
        wrong = rows["attacked_wrong"].iloc[0] / n
        ax.axhline(wrong, color="#777777", linewidth=1.2, label="wrong under attack, no defence")
        where = labels.place(str(dataset), str(network))
        ax.set(xlim=(0, 100), ylim=(-0.02, 1.02), title=f"{where}, FGSM eps {eps:g} (n = {n})")
    outer_labels(axes, "JPEG quality", "share of images right when clean")
    legend_below(figure, axes[0], 2)
    figure.suptitle("What JPEG rescues from FGSM and what it breaks (95 % bands)")
    return figure
