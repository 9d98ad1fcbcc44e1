"""Parts that the studies' figures share: reading tables, images, boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch

from reports.results.bounded import bounded_arrays
from reports.results.csv_file import read_table
from reports.results.predictions import Array
from reports.style.axes import flat_grid
from reports.style.labels import Labels
from reports.style.style import WONG, Style

# columns that stay text even if they look like numbers
TEXTS = ("class", "predicted", "becomes", "source", "target", "norm")
QUARTILES = "box: quartiles, whiskers: 5 % to 95 %"


def table_of(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of the study; a text such as the class `0` stays text."""
    return read_table(folder / f"{name}.csv", "table", TEXTS)


def arrays_of(folder: Path) -> dict[str, Array]:
    """Read the arrays of the study, by name."""
    return bounded_arrays(folder / "arrays.npz")


def below(arrays: Mapping[str, Array], start: str) -> dict[str, Array]:
    """Return the arrays whose names begin with `start`, by the rest of their names."""
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}


def by_subject(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield data set, network and rows of each subject, in the order of the table."""
    for (dataset, network), rows in table.groupby(["dataset", "network"], sort=False):
        yield str(dataset), str(network), rows


def panels(
    table: pd.DataFrame, labels: Labels, width: float = 4.4, height: float = 3.1, legend: float = 0
) -> tuple[Figure, list[Axes], list[tuple[Axes, pd.DataFrame]]]:
    """Return a figure of one panel per subject on one scale; its panels alone and with rows."""
    groups = list(by_subject(table))
    figure, axes = flat_grid(len(groups), width, height, legend, sharey=True)
    for ax, (dataset, network, _) in zip(axes, groups, strict=True):
        ax.set_title(labels.place(dataset, network))
    return figure, axes, [(ax, rows) for ax, (*_, rows) in zip(axes, groups, strict=True)]


def named(table: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return a table with the labels of its subjects and attacks as columns `subject`, `name`."""
    places = zip(table["dataset"], table["network"], strict=True)
    subject = [labels.place(dataset, network) for dataset, network in places]
    return table.assign(subject=subject, name=table["attack"].map(labels.attack))


def picture(image: Array) -> Array:
    """Return an image [C, H, W] as matplotlib takes it: [H, W] grey or [H, W, 3]."""
    return image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)


def show_image(ax: Axes, image: Array, title: str = "") -> None:
    """Show an image [C, H, W], uint8 or float in [0, 1], at its true grey levels, without axes."""
    show_map(ax, picture(image), "gray", (0, 255 if image.dtype == np.uint8 else 1), title)


def show_map(
    ax: Axes,
    values: Array,
    colours: str,
    limits: tuple[float, float],
    title: str = "",
    extent: tuple[float, float, float, float] | None = None,
    alpha: float | None = None,
) -> AxesImage:
    """Show values [H, W] in a colour map between two limits, without axes."""
    low, high = limits
    scale: Style = {"cmap": colours, "vmin": low, "vmax": high}
    shown = ax.imshow(values, **scale, interpolation="nearest", extent=extent, alpha=alpha)
    bare(ax, title)
    return shown


def show_signed(ax: Axes, values: Array, limit: float, title: str = "") -> AxesImage:
    """Show values [H, W] around zero, blue to red.

    limit: the value at the ends of the scale; use the same for all panels that are compared.
    """
    return show_map(ax, values, "RdBu_r", (-limit, limit), title)


def show_noise(ax: Axes, noise: Array, limit: float, title: str = "") -> AxesImage:
    """Show noise [C, H, W] as `show_signed` does; of colour noise the channels' mean."""
    return show_signed(ax, noise.mean(axis=0), limit, title)


def largest(noise: Array) -> float:
    """Return the largest absolute value of noise [C, H, W] as it is shown: channels' mean."""
    return float(np.abs(noise.mean(axis=0)).max())


def scale_of(figure: Figure, shown: AxesImage, *axes: Axes) -> None:
    """Draw a narrow colour bar beside the panels that share a scale."""
    bar = figure.colorbar(shown, ax=list(axes), fraction=0.045, pad=0.02)
    bar.ax.tick_params(labelsize=6)
    bar.outline.set_visible(False)


def boxes(
    ax: Axes,
    values: Sequence[npt.ArrayLike],
    positions: Sequence[float],
    width: float,
    colours: Sequence[str],
) -> list[PathPatch]:
    """Draw one box per series and return the patches: quartiles, median, whiskers 5 to 95 %.

    (seaborn's boxplot warns under matplotlib 3.11.)
    """
    look: Style = {"whis": (5, 95), "showfliers": False, "medianprops": {"color": "black"}}
    look |= {"patch_artist": True, "manage_ticks": False}
    drawn = ax.boxplot(values, positions=positions, widths=width, **look)
    patches: list[PathPatch] = drawn["boxes"]
    for box, colour in zip(patches, colours, strict=True):
        box.set(facecolor=colour, linewidth=0.6)
    return patches


def grouped_boxes(ax: Axes, rows: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """Draw a box of `y` for each `x` and `hue`, one colour per `hue`, labelled for a legend."""
    groups, hues = list(rows[x].drop_duplicates()), list(rows[hue].drop_duplicates())
    width = 0.8 / max(len(hues), 1)
    for n, (name, colour) in enumerate(zip(hues, WONG, strict=False)):
        values = [rows.loc[(rows[x] == g) & (rows[hue] == name), y].dropna() for g in groups]
        places = [g + (n - (len(hues) - 1) / 2) * width for g in range(len(groups))]
        drawn = boxes(ax, values, places, 0.9 * width, [colour] * len(groups))
        drawn[0].set_label(str(name))
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(False, axis="x")


def named_boxes(
    ax: Axes, values: Sequence[pd.Series], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Draw one box per series, without NaN, its name below."""
    boxes(ax, [v.dropna().to_numpy() for v in values], range(len(values)), 0.6, colours)
    longest = max(len(line) for name in names for line in name.split("\n"))
    # more characters than this do not fit side by side below a panel
    rotation, side = (40, "right") if longest * len(names) > 55 else (0, "center")
    ax.set_xticks(range(len(names)), names, rotation=rotation, ha=side)
    ax.grid(False, axis="x")


def bare(ax: Axes, title: str = "") -> None:
    """Remove ticks, frame and grid, for images."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=8)


def sheet(
    images: Array, titles: Sequence[str], columns: int, title: str, cell: float = 0.85
) -> Figure:
    """Draw images [N, C, H, W] in rows of `columns`, each under its own short title."""
    rows = -(-len(images) // columns)
    height = rows * (cell + 0.2) + 0.4
    # placed by hand: the constrained layout takes seconds for so many panels
    figure = Figure(figsize=(columns * cell, height))
    edges = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 1 - 0.6 / height}
    figure.subplots_adjust(**edges, wspace=0.1, hspace=0.3)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax, image, name in zip(axes, images, titles, strict=False):
        show_image(ax, image, name)
    for ax in list(axes)[len(images) :]:
        ax.set_visible(False)
    figure.suptitle(title)
    return figure
