"""Parts that the figures of a results table share: panels, their lines and texts."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.statistics.tests import at_most
from reports.style.labels import Labels
from reports.style.style import NORM_LABEL, WIDEST, WONG, Style


def grid(
    rows: int, columns: int, width: float, height: float, legend: float
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of panels, `width` by `height` inches each; legend: inches beside them."""
    # wide enough for the figure's title and legend, however few panels there are
    size = (min(max(columns * width + legend, 6.6), WIDEST), rows * height + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(line) for line in axes]


def flat_grid(
    count: int, width: float, height: float, legend: float = 0.0, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels in rows of two or three; legend: inches below them."""
    columns = count if count < 4 else 2 if count == 4 else 3
    lines = -(-count // columns)
    size = (min(max(columns * width, 6.6), WIDEST), lines * height + 0.4 + legend)
    figure = Figure(figsize=size, layout="constrained")
    axes = [*figure.subplots(lines, columns, squeeze=False, sharey=sharey).flat]
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def few_ticks(ax: Axes, count: int = 5) -> None:
    """Set at most `count` intervals between the ticks of the x axis, at round numbers."""
    ax.xaxis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))


def outer_labels(axes: list[Axes], x: str, y: str) -> None:
    """Label the left and the lower edge of a grid of panels of one kind."""
    for ax in axes:
        place = ax.get_subplotspec()
        assert place is not None
        column = [other.get_subplotspec() for other in axes]
        below = any(
            o is not None and o.colspan == place.colspan and o.rowspan.start > place.rowspan.start
            for o in column
        )
        ax.set(xlabel="" if below else x, ylabel=y if place.is_first_col() else "")


def networks_and_threats(rows: pd.DataFrame, labels: Labels) -> tuple[list[str], list[str]]:
    """Return the networks (rows of panels) and threats (columns of panels) of a table."""
    return list(dict.fromkeys(rows["network"])), labels.threats.in_order(rows["threat"])


def defences(rows: pd.DataFrame, labels: Labels) -> dict[str, tuple[Style, pd.Series[bool]]]:
    """Return line style and rows of each defence by its label: none, quantize, others, JPEG.

    JPEG comes by quality, the highest first.
    """
    lines: dict[str, tuple[Style, pd.Series[bool]]] = {}
    plain = list(dict.fromkeys(rows.loc[rows["quality"].isna(), "defence"]))
    greys = {"none": ("black", "-"), "quantize": ("#777777", "--")}
    for n, defence in enumerate(plain):
        colour, dash = greys.get(defence, (WONG[n % len(WONG)], ":"))
        style = {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}
        lines[labels.defence(defence)] = (style, rows["defence"] == defence)
    jpeg = rows[rows["quality"].notna()]
    pairs = sorted({(int(q), d) for q, d in zip(jpeg["quality"], jpeg["defence"], strict=True)})
    colours = sns.color_palette("viridis", len(pairs))
    for (quality, defence), colour in reversed(list(zip(pairs, colours, strict=True))):
        style = {"color": colour, "linestyle": "-", "linewidth": 1.2}
        chosen = (rows["defence"] == defence) & (rows["quality"] == quality).fillna(False)
        lines[labels.defence(defence, quality)] = (style, chosen.astype(bool))
    return lines


def jpeg_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of JPEG by quality, with its default parameters if the table has those."""
    alone = rows[rows["quality"].notna() & rows["defence"].str.startswith("jpeg")]
    kinds = list(dict.fromkeys(alone["defence"]))
    return alone[alone["defence"] == ("jpeg" if "jpeg" in kinds else kinds[0])] if kinds else alone


def one(rows: pd.DataFrame, column: str) -> str:
    """Return the value of a column that is the same in all rows."""
    return str(rows[column].iloc[0])


def sample_size(rows: pd.DataFrame) -> str:
    """Return the number of images with its margin of error; empty where rows differ in it."""
    sizes = sorted({int(n) for n in rows["n"]})
    if len(sizes) != 1 or not sizes[0]:
        return ""
    return f" ({sizes[0]:,} images: ±{at_most(sizes[0]):.1f} points at most, 95 %)"


def eps_label(rows: pd.DataFrame) -> str:
    """Return the label of an eps axis, with the norm of the rows."""
    norm = one(rows, "norm")
    return NORM_LABEL.get(norm, f"eps (norm {norm})")
