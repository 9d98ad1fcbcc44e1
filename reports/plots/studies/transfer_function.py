"""Figures 8 and 9: transfer functions without JPEG, how far JPEG moves them, what it destroys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.studies import transfer_jpeg
from reports.plots.studies.drawing import arrays_of, save, table_of
from reports.plots.studies.sweep import band
from reports.plots.studies.transfer_jpeg import DIRECTIONS, MEASURES, PIXEL_FREQUENCY
from reports.style.axes import few_ticks, flat_grid, outer_labels
from reports.style.labels import Labels, read_labels
from reports.style.style import MARKERS, WIDEST, WONG, styled


def draw(folder: Path) -> list[Path]:
    """Draw curves, also by image size; heat maps and an animation over qualities; destruction."""
    labels = read_labels(folder)
    table, arrays = table_of(folder, "response"), arrays_of(folder)
    written = []
    with styled():
        for dataset, rows in table.groupby("dataset", sort=False):
            own = int(rows.loc[rows["quality"].notna(), "size"].iloc[0])
            bare = rows[rows["quality"].isna()]
            name = str(dataset)
            written += [
                save(_curves(bare[bare["size"] == own], name, labels), folder, f"curves-{name}"),
                save(
                    _sizes(bare[bare["direction"] == "vertical"], name, labels),
                    folder,
                    f"sizes-{name}",
                ),
                *transfer_jpeg.draw(arrays, name, own, folder, labels),
            ]
        written.append(save(_change(table_of(folder, "destroyed"), labels), folder, "change"))
        written.append(save(_survival(table_of(folder, "survival")), folder, "destroyed"))
    return written


def _curves(table: pd.DataFrame, dataset: str, labels: Labels) -> Figure:
    """Draw a column per network and a row per measure: a line per direction, bands over seeds."""
    networks = list(table["network"].unique())
    width = max(3.6 * len(networks), 6.6)
    figure = Figure(figsize=(min(width, WIDEST), 5.4), layout="constrained")
    axes = figure.subplots(2, len(networks), squeeze=False, sharex=True)
    for column, network in enumerate(networks):
        rows = table[table["network"] == network]
        for ax, (measure, label) in zip(axes[:, column], MEASURES.items(), strict=True):
            for direction, colour in zip(DIRECTIONS, WONG, strict=False):
                line = rows[rows["direction"] == direction]
                band(ax, line, "frequency", measure, colour, direction)
            ax.set_ylim(0, 1.06 * ax.dataLim.y1)
            ax.set_ylabel(label if column == 0 else "")
        axes[0, column].axhline(
            rows["response_grey"].mean(), color="#777777", ls=":", lw=1.2, label="uniform grey"
        )
        axes[0, column].set_title(labels.network(network))
        axes[1, column].set_xlabel(PIXEL_FREQUENCY)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    figure.suptitle(f"{labels.dataset(dataset)}: first layer's response to gratings{_seeds(table)}")
    return figure


def _seeds(table: pd.DataFrame) -> str:
    seeds = table["training_seed"].nunique()
    return f" (mean and range of {seeds} training seeds)" if seeds > 1 else ""


def _sizes(table: pd.DataFrame, dataset: str, labels: Labels) -> Figure:
    """Draw gain against frequency, one line per image size: the lines coincide."""
    networks = list(table["network"].unique())
    figure, axes = flat_grid(len(networks), width=3.6, height=2.9, legend=0.25)
    for ax, network in zip(axes, networks, strict=True):
        rows = table[(table["network"] == network) & (table["training_seed"] == 0)]
        for n, ((size, line), colour) in enumerate(zip(rows.groupby("size"), WONG, strict=False)):
            # a mark at every third frequency, shifted by size: the lines coincide
            ax.plot(
                line["frequency"],
                line["gain"],
                color=colour,
                lw=1.2,
                label=f"{size} pixels",
                marker=MARKERS[n],
                markersize=4,
                markevery=(n % 3, 3),
            )
        ax.set(title=labels.network(network), ylim=(0, 1.06 * ax.dataLim.y1))
    outer_labels(axes, PIXEL_FREQUENCY, "gain (less the answer to grey)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.suptitle(
        f"{labels.dataset(dataset)}: image size and transfer function, vertical gratings"
    )
    return figure


def _change(table: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the mean change over frequencies against quality, a panel per network, own size."""
    full = table.groupby(["dataset", "size"])["quality"].transform("nunique")
    most = full.groupby(table["dataset"]).transform("max")
    rows = table[(full == most) & (table["direction"] == "vertical")]
    groups = list(rows.groupby(["dataset", "network"], sort=False))
    figure, axes = flat_grid(len(groups), width=4.2, height=2.7, legend=0.25, sharey=True)
    top = 105 * float(rows[[f"change_{m}" for m in MEASURES]].to_numpy(dtype=float).max())
    for ax, ((dataset, network), part) in zip(axes, groups, strict=True):
        for (measure, label), colour in zip(MEASURES.items(), WONG, strict=False):
            percent = part.assign(percent=100 * part[f"change_{measure}"])
            band(ax, percent, "quality", "percent", colour, label)
        size = part["size"].iloc[0]
        ax.set(title=f"{labels.place(str(dataset), str(network))}, {size} pixels", ylim=(0, top))
        few_ticks(ax)
    outer_labels(axes, "JPEG quality", "mean change over frequencies (%)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    figure.suptitle(f"How far JPEG ahead moves the transfer function{_seeds(rows)}")
    return figure


def _survival(table: pd.DataFrame) -> Figure:
    """Draw the share of destroyed gratings by contrast and quality, one panel per size."""
    sizes = list(table["size"].unique())
    figure, axes = flat_grid(len(sizes), width=3.3, height=2.3, sharey=True)
    shown: Any = None
    for ax, size in zip(axes, sizes, strict=True):
        share = table[table["size"] == size].pivot_table(
            index="contrast", columns="quality", values="share"
        )
        shown = ax.imshow(
            100 * share.to_numpy(), aspect="auto", cmap="viridis", vmin=0, vmax=100, origin="lower"
        )
        ax.grid(False)
        step = -(-len(share.columns) // 7)
        ax.set_xticks(range(0, len(share.columns), step), [str(q) for q in share.columns[::step]])
        ax.set_yticks(range(len(share)), [f"{c:g}" for c in share.index])
        ax.set(title=f"{size} pixels")
    outer_labels(axes, "JPEG quality", "contrast of the gratings")
    figure.colorbar(shown, ax=list(axes), label="destroyed (%)", fraction=0.04)
    figure.suptitle("Gratings that JPEG leaves less than 1 % of their energy, three directions")
    return figure
