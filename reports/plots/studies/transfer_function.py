"""Figures 8 and 9: transfer functions without JPEG, how far JPEG moves them, what it destroys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies import transfer_jpeg
from reports.plots.studies.drawing import arrays_of, panels, table_of
from reports.plots.studies.sweep import band
from reports.plots.studies.transfer_jpeg import DIRECTIONS, MEASURES, PIXEL_FREQUENCY
from reports.style.axes import few_ticks, flat_grid, legend_below, new_figure, outer_labels
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import MARKERS, WIDEST, WONG, Style


@saved
def draw(folder: Path) -> Figures:
    """Draw curves, also by image size; heat maps and an animation over qualities; destruction."""
    labels, arrays = read_labels(folder).for_figures(), arrays_of(folder)
    for dataset, rows in table_of(folder, "response").groupby("dataset", sort=False):
        name = str(dataset)
        own = int(rows.loc[rows["quality"].notna(), "size"].iloc[0])
        bare = rows[rows["quality"].isna()]
        yield file_name("curves", name), _curves(bare[bare["size"] == own], name, labels)
        yield file_name("sizes", name), _sizes(bare[bare["direction"] == "vertical"], name, labels)
        networks = [str(network) for network in dict.fromkeys(rows["network"])]
        yield from transfer_jpeg.figures(arrays, name, networks, own, labels)
    yield "change", _change(table_of(folder, "destroyed"), labels)
    yield "destroyed", _survival(table_of(folder, "survival"))


def _curves(table: pd.DataFrame, dataset: str, labels: Labels) -> Figure:
    """Draw a column per network and a row per measure: a line per direction, bands over seeds."""
    networks = list(table["network"].unique())
    width = max(3.6 * len(networks), 6.6)
    figure, axes = new_figure(min(width, WIDEST), 5.4, 2, len(networks), sharex=True)
    for column, network in enumerate(networks):
        rows = table[table["network"] == network]
        for ax, (measure, label) in zip(axes[:, column], MEASURES.items(), strict=True):
            for direction, colour in zip(DIRECTIONS, WONG, strict=False):
                line = rows[rows["direction"] == direction]
                band(ax, line, "frequency", measure, colour, direction)
            ax.set_ylim(0, 1.06 * ax.dataLim.y1)
            ax.set_ylabel(label if column == 0 else "")
        grey = {"color": "#777777", "ls": ":", "lw": 1.2, "label": "uniform grey"}
        axes[0, column].axhline(rows["response_grey"].mean(), **grey)
        axes[0, column].set_title(labels.network(network))
        axes[1, column].set_xlabel(PIXEL_FREQUENCY)
    legend_below(figure, axes[0, 0], 4)
    figure.suptitle(f"{labels.dataset(dataset)}: first layer's response to gratings{_seeds(table)}")
    return figure


def _seeds(table: pd.DataFrame) -> str:
    """Return how many trainings the lines stand for; networks may differ in that."""
    counts = table.groupby(["dataset", "network"])["training_seed"].nunique()
    least, most = counts.min(), counts.max()
    seeds = f"{most}" if least == most else f"{least} to {most}"
    return f" (mean and range of {seeds} training seeds)" if most > 1 else ""


def _sizes(table: pd.DataFrame, dataset: str, labels: Labels) -> Figure:
    """Draw gain against frequency, one line per image size: the lines coincide."""
    networks = list(table["network"].unique())
    figure, axes = flat_grid(len(networks), width=3.6, height=2.9, legend=0.25)
    for ax, network in zip(axes, networks, strict=True):
        rows = table[(table["network"] == network) & (table["training_seed"] == 0)]
        for n, ((size, line), colour) in enumerate(zip(rows.groupby("size"), WONG, strict=False)):
            # a mark at every third frequency, shifted by size: the lines coincide
            marks: Style = {"marker": MARKERS[n], "markersize": 4, "markevery": (n % 3, 3)}
            label = f"{size} pixels"
            ax.plot(line["frequency"], line["gain"], color=colour, lw=1.2, label=label, **marks)
        ax.set(title=labels.network(network), ylim=(0, 1.06 * ax.dataLim.y1))
    outer_labels(axes, PIXEL_FREQUENCY, "gain (less the answer to grey)")
    legend_below(figure, axes[0])
    what = "image size and transfer function, vertical gratings"
    figure.suptitle(f"{labels.dataset(dataset)}: {what}")
    return figure


def _change(table: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the mean change over frequencies against quality, a panel per network, own size."""
    full = table.groupby(["dataset", "size"])["quality"].transform("nunique")
    most = full.groupby(table["dataset"]).transform("max")
    rows = table[(full == most) & (table["direction"] == "vertical")]
    figure, axes, subjects = panels(rows, labels, width=4.2, height=2.7, legend=0.25)
    top = 105 * float(rows[[f"change_{m}" for m in MEASURES]].to_numpy(dtype=float).max())
    for ax, part in subjects:
        for (measure, label), colour in zip(MEASURES.items(), WONG, strict=False):
            percent = part.assign(percent=100 * part[f"change_{measure}"])
            band(ax, percent, "quality", "percent", colour, label)
        ax.set(title=f"{ax.get_title()}, {part['size'].iloc[0]} pixels", ylim=(0, top))
        few_ticks(ax)
    outer_labels(axes, "JPEG quality", "mean change over frequencies (%)")
    legend_below(figure, axes[0], 2)
    figure.suptitle(f"How far JPEG ahead moves the transfer function{_seeds(rows)}")
    return figure


def _survival(table: pd.DataFrame) -> Figure:
    """Draw the share of destroyed gratings by contrast and quality, one panel per size."""
    sizes = list(table["size"].unique())
    figure, axes = flat_grid(len(sizes), width=3.3, height=2.3, sharey=True)
    shown: Any = None
    for ax, size in zip(axes, sizes, strict=True):
        share = table[table["size"] == size].pivot_table("share", "contrast", "quality")
        scale: Style = {"cmap": "viridis", "vmin": 0, "vmax": 100}
        shown = ax.imshow(100 * share.to_numpy(), aspect="auto", origin="lower", **scale)
        ax.grid(False)
        step = -(-len(share.columns) // 7)
        ax.set_xticks(range(0, len(share.columns), step), [str(q) for q in share.columns[::step]])
        ax.set_yticks(range(len(share)), [f"{c:g}" for c in share.index])
        ax.set(title=f"{size} pixels")
    outer_labels(axes, "JPEG quality", "contrast of the gratings")
    figure.colorbar(shown, ax=list(axes), label="destroyed (%)", fraction=0.04)
    figure.suptitle("Gratings that JPEG leaves less than 1 % of their energy, three directions")
    return figure
