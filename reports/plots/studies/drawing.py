"""Parts that the studies' figures share: reading tables, images, boxes, saving."""

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

from reports.results.predictions import Array
from reports.style.style import DPI, WONG

# columns that stay text even if they look like numbers
TEXTS = ("class", "predicted", "becomes", "source", "target", "norm")


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write a figure as PNG into the folder of its study."""
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=DPI)
    return path


def table_of(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of the study; a text such as the class `0` stays text."""
    return pd.read_csv(folder / f"{name}.csv", dtype=dict.fromkeys(TEXTS, str))


def arrays_of(folder: Path) -> dict[str, Array]:
    """Read the arrays of the study, by name."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def below(arrays: Mapping[str, Array], start: str) -> dict[str, Array]:
    """Return the arrays whose names begin with `start`, by the rest of their names."""
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}


def by_subject(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield data set, network and rows of each subject, in the order of the table."""
    for (dataset, network), rows in table.groupby(["dataset", "network"], sort=False):
        yield str(dataset), str(network), rows


def picture(image: Array) -> Array:
    """Return an image [C, H, W] as matplotlib takes it: [H, W] grey or [H, W, 3]."""
    return image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)


def show_image(ax: Axes, image: Array, title: str = "") -> None:
    """Show an image [C, H, W], uint8 or float in [0, 1], at its true grey levels, without axes."""
    top = 255 if image.dtype == np.uint8 else 1
    ax.imshow(picture(image), cmap="gray", vmin=0, vmax=top, interpolation="nearest")
    bare(ax, title)


def show_noise(ax: Axes, noise: Array, limit: float, title: str = "") -> AxesImage:
    """Show signed noise [C, H, W] around zero, blue to red; of colour noise the channels' mean.

    limit: the value at the ends of the scale; use the same for all panels that are compared.
    """
    shown = ax.imshow(
        noise.mean(axis=0), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    bare(ax, title)
    return shown


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
    drawn = ax.boxplot(
        values,
        positions=positions,
        widths=width,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "black"},
        manage_ticks=False,
    )
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


def bare(ax: Axes, title: str = "") -> None:
    """Remove ticks, frame and grid, for images."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title, fontsize=8)


def sheet(
    images: Array, titles: Sequence[str], columns: int, title: str, cell: float = 0.85
) -> Figure:
    """Draw images [N, C, H, W] in rows of `columns`, each under its own short title."""
    rows = -(-len(images) // columns)
    height = rows * (cell + 0.2) + 0.4
    # placed by hand: the constrained layout takes seconds for so many panels
    figure = Figure(figsize=(columns * cell, height))
    figure.subplots_adjust(
        left=0.01, right=0.99, bottom=0.01, top=1 - 0.6 / height, wspace=0.1, hspace=0.3
    )
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax, image, name in zip(axes, images, titles, strict=False):
        show_image(ax, image, name)
    for ax in list(axes)[len(images) :]:
        ax.set_visible(False)
    figure.suptitle(title)
    return figure
