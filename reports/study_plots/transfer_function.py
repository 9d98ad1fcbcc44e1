"""Figures 8, 9 and 12: transfer functions, bare and behind JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.look import WONG, styled
from reports.names import DATA_NAMES
from reports.study_plots.drawing import Array, arrays_of, save, table_of
from reports.study_plots.film import save_film

DIRECTIONS = ("vertical", "horizontal", "diagonal")
MEASURES = {
    "response": "response: norm of the output",
    "response_ac": "less the answer to grey",
}
PIXEL_FREQUENCY = "frequency (cycles per pixel)"


def draw(folder: Path) -> list[Path]:
    """Curves, curves by image size, heat maps and an animation of JPEG qualities, destruction."""
    table, arrays = table_of(folder, "response"), arrays_of(folder)
    written = []
    with styled():
        for dataset, rows in table.groupby("dataset", sort=False):
            own = int(rows.loc[rows["quality"].notna(), "size"].iloc[0])
            bare = rows[rows["quality"].isna()]
            name = str(dataset)
            written += [
                save(_curves(bare[bare["size"] == own], name), folder, f"curves-{name}"),
                save(_sizes(bare[bare["direction"] == "vertical"], name), folder, f"sizes-{name}"),
                save(_heat(arrays, name, own), folder, f"jpeg-{name}"),
                save_film(_frames(arrays, name, own), folder, f"jpeg-{name}"),
            ]
        written.append(save(_change(table_of(folder, "destroyed")), folder, "change"))
        written.append(save(_survival(table_of(folder, "survival")), folder, "destroyed"))
    return written


def _title(dataset: str) -> str:
    return DATA_NAMES.get(dataset, dataset)


def _curves(table: pd.DataFrame, dataset: str) -> Figure:
    """A column a network, a row a measure; one line a direction, a faint one a training seed."""
    networks = list(table["network"].unique())
    figure = Figure(figsize=(3.4 * len(networks) + 0.9, 5.2), layout="constrained")
    axes = figure.subplots(2, len(networks), squeeze=False, sharex=True)
    for column, network in enumerate(networks):
        rows = table[table["network"] == network]
        for ax, (measure, label) in zip(axes[:, column], MEASURES.items(), strict=True):
            for direction, colour in zip(DIRECTIONS, WONG, strict=False):
                for seed, line in rows[rows["direction"] == direction].groupby("training_seed"):
                    first = seed == 0
                    ax.plot(
                        line["frequency"], line[measure], color=colour,
                        alpha=1 if first else 0.35, lw=1.6 if first else 0.9,
                        label=direction if first else None,
                    )  # fmt: skip
            ax.set_ylim(bottom=0)
            ax.set_ylabel(label if column == 0 else "")
        axes[0, column].axhline(
            rows["response_grey"].iloc[0], color="#777777", ls=":", lw=1, label="uniform grey"
        )
        axes[0, column].set_title(network)
        axes[1, column].set_xlabel(PIXEL_FREQUENCY)
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    seeds = table["training_seed"].nunique()
    more = f"; faint: {seeds - 1} more training seeds" if seeds > 1 else ""
    figure.suptitle(f"{_title(dataset)}: first layer's response to gratings{more}")
    return figure


def _sizes(table: pd.DataFrame, dataset: str) -> Figure:
    """Gain against frequency, one line an image size: they lie on each other."""
    networks = list(table["network"].unique())
    figure = Figure(figsize=(3.4 * len(networks) + 0.9, 3.0), layout="constrained")
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for ax, network in zip(axes, networks, strict=True):
        rows = table[(table["network"] == network) & (table["training_seed"] == 0)]
        for (size, line), colour in zip(rows.groupby("size"), WONG, strict=False):
            ax.plot(line["frequency"], line["gain"], color=colour, lw=1.2, label=f"{size} pixels")
        ax.set(title=network, xlabel=PIXEL_FREQUENCY, ylim=(0, None))
    axes[0].set_ylabel("gain (less the answer to grey)")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.suptitle(f"{_title(dataset)}: image size and transfer function, vertical gratings")
    return figure


def _keys(arrays: dict[str, Array], dataset: str, measure: str) -> Iterator[tuple[str, str, int]]:
    """Name, network and size of the arrays of vertical gratings."""
    for name in arrays:
        if name.startswith(f"{dataset}/") and name.endswith(f"/vertical/{measure}"):
            stem = name.removesuffix(f"/{measure}")
            network, size = stem.removeprefix(f"{dataset}/").rsplit("/", 2)[:2]
            yield stem, network, int(size)


def _heat(arrays: dict[str, Array], dataset: str, own: int) -> Figure:
    """Change of the response less grey against no JPEG: the data's size and the largest one."""
    found = list(_keys(arrays, dataset, "response_ac"))
    networks = list(dict.fromkeys(network for _, network, _ in found))
    sizes = list(dict.fromkeys([own, max(size for _, _, size in found)]))
    figure = Figure(
        figsize=(3.4 * len(networks) + 1.2, 3.2 * len(sizes) + 0.5), layout="constrained"
    )
    axes = figure.subplots(len(sizes), len(networks), squeeze=False)
    changes = {
        (network, size): 100 * (arrays[f"{s}/response_ac"][1:] / arrays[f"{s}/response_ac"][0] - 1)
        for s, network, size in found
    }
    limit = max(float(np.abs(c[:, 1:]).max()) for c in changes.values())
    shown: Any = None
    for row, size in enumerate(sizes):
        for column, network in enumerate(networks):
            ax: Axes = axes[row, column]
            stem = f"{dataset}/{network}/{size}/vertical"
            quality, cycles = arrays[f"{stem}/quality"][1:], arrays[f"{stem}/cycles"][1:]
            shown = ax.imshow(
                changes[network, size][:, 1:], aspect="auto", cmap="RdBu_r", vmin=-limit,
                vmax=limit, origin="lower", interpolation="nearest",
            )  # fmt: skip
            ax.grid(False)
            ticks = np.unique(np.linspace(0, len(cycles) - 1, 5).round().astype(int))
            ax.set_xticks(ticks, [f"{cycles[t] / size:.2f}" for t in ticks])
            ticks = np.unique(np.linspace(0, len(quality) - 1, 10).round().astype(int))
            ax.set_yticks(ticks, [str(quality[t]) for t in ticks])
            ax.set_title(f"{network}, {size} pixels")
            ax.set_ylabel("JPEG quality" if column == 0 else "")
        for ax in axes[-1]:
            ax.set_xlabel(PIXEL_FREQUENCY)
    figure.colorbar(shown, ax=axes, label="change of the response less grey (%)", shrink=0.8)
    figure.suptitle(f"{_title(dataset)}: what JPEG ahead changes, vertical gratings")
    return figure


def _frames(arrays: dict[str, Array], dataset: str, own: int) -> Iterator[Figure]:
    """One figure a quality, from none and the best down: both measures of every network."""
    stems = [(s, n) for s, n, size in _keys(arrays, dataset, "response") if size == own]
    qualities = arrays[f"{stems[0][0]}/quality"]
    order = [0, *range(len(qualities) - 1, 0, -1)]
    tops = [1.15 * float(arrays[f"{s}/response"].max()) for s, _ in stems]
    for index in order:
        figure = Figure(figsize=(3.2 * len(stems) + 0.4, 3.1), layout="constrained", dpi=90)
        axes = figure.subplots(1, len(stems), squeeze=False)[0]
        for ax, (stem, network), top in zip(axes, stems, tops, strict=True):
            x = arrays[f"{stem}/cycles"] / own
            for measure, colour in zip(MEASURES, WONG, strict=False):
                lines = arrays[f"{stem}/{measure}"]
                last = measure == "response_ac"
                ax.plot(
                    x, lines[0], color="#999999", lw=1, ls=":", zorder=1,
                    label="without JPEG" if last else None,
                )  # fmt: skip
                ax.plot(x, lines[index], color=colour, lw=1.6, label=MEASURES[measure])
            ax.set(title=network, xlabel=PIXEL_FREQUENCY, ylim=(0, top))
        lines, names = axes[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside lower center", ncols=3)
        axes[0].set_ylabel("response")
        told = f"JPEG quality {qualities[index]:3d}" if qualities[index] else "no JPEG"
        figure.suptitle(f"{_title(dataset)}, vertical gratings of {own} pixels: {told}")
        yield figure


def _change(table: pd.DataFrame) -> Figure:
    """Mean change over the frequencies against quality, one panel a network, own size."""
    full = table.groupby(["dataset", "size"])["quality"].transform("nunique")
    most = full.groupby(table["dataset"]).transform("max")
    rows = table[(full == most) & (table["direction"] == "vertical")]
    groups = list(rows.groupby(["dataset", "network"], sort=False))
    figure = Figure(figsize=(2.6 * len(groups) + 0.8, 2.9), layout="constrained")
    axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    top = 105 * float(rows[[f"change_{m}" for m in MEASURES]].to_numpy(dtype=float).max())
    for ax, ((dataset, network), part) in zip(axes, groups, strict=True):
        for measure, colour in zip(MEASURES, WONG, strict=False):
            for seed, line in part.groupby("training_seed"):
                ax.plot(
                    line["quality"], 100 * line[f"change_{measure}"], color=colour,
                    alpha=1 if seed == 0 else 0.35, lw=1.5 if seed == 0 else 0.9,
                    label=MEASURES[measure] if seed == 0 else None,
                )  # fmt: skip
        size = part["size"].iloc[0]
        ax.set(title=f"{_title(str(dataset))}, {network}, {size} px", xlabel="JPEG quality")
        ax.set_ylim(0, top)
    axes[0].set_ylabel("mean change over frequencies (%)")
    axes[0].legend()
    figure.suptitle("How far JPEG ahead moves the transfer function, vertical gratings")
    return figure


def _survival(table: pd.DataFrame) -> Figure:
    """Share of destroyed gratings by contrast and quality, one panel a size."""
    sizes = list(table["size"].unique())
    figure = Figure(figsize=(2.3 * len(sizes) + 1.3, 3.0), layout="constrained")
    axes = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
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
        ax.set(title=f"{size} pixels", xlabel="JPEG quality")
    axes[0].set_ylabel("contrast of the gratings")
    figure.colorbar(shown, ax=list(axes), label="destroyed (%)")
    figure.suptitle("Gratings that JPEG leaves less than 1 % of their energy, three directions")
    return figure
