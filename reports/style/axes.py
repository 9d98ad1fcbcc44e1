"""Parts that the figures of a results table share: panels, their lines and texts."""

from __future__ import annotations

import textwrap
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike

from reports.results.predictions import Array
from reports.statistics.tests import at_most
from reports.style.labels import Labels
from reports.style.style import NORM_LABEL, WIDEST

# of a panel's title, per inch
LETTERS = 11
# of a figure's heading, per inch
HEADING_LETTERS = 10


def new_figure(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, Array]:
    """Return a figure, `width` by `height` inches, and its axes [rows, columns]."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)


def legend_below(figure: Figure, ax: Axes, columns: int | None = None) -> None:
    """Put the legend of one panel below all of them, in one row without `columns`."""
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=columns or len(names))


def shade(
    ax: Axes,
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: ColorType,
    alpha: float = 0.18,
    step: Literal["post"] | None = None,
) -> None:
    """Fill a band between two lines, without an edge."""
    ax.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, step=step)


def grid(
    rows: int, columns: int, width: float, height: float, legend: float
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of panels, `width` by `height` inches each; legend: inches beside them."""
    # wide enough for the figure's title and legend, however few panels there are
    size = (min(max(columns * width + legend, 6.6), WIDEST), rows * height + 0.5)
    figure, axes = new_figure(*size, rows, columns)
    return figure, [list(line) for line in axes]


def flat_grid(
    count: int, width: float, height: float, legend: float = 0.0, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels in rows of two or three; legend: inches below them."""
    columns = count if count < 4 else 2 if count == 4 else 3
    lines = -(-count // columns)
    size = (min(max(columns * width, 6.6), WIDEST), lines * height + 0.4 + legend)
    figure, axes = new_figure(*size, lines, columns, sharey=sharey)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, list(axes.flat[:count])


def few_ticks(ax: Axes, count: int = 5) -> None:
    """Set at most `count` intervals between the ticks of the x axis, at round numbers."""
    ax.xaxis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))


def wrap_heading(figure: Figure) -> None:
    """Break the heading of a figure into lines that fit its width: names may be long."""
    heading = figure.get_suptitle()
    if heading:
        width = int(HEADING_LETTERS * figure.get_figwidth())
        figure.suptitle("\n".join(textwrap.fill(line, width) for line in heading.split("\n")))


def panel_title(text: str, width: float) -> str:
    """Return the title of a panel, `width` inches wide, in lines that fit: names may be long."""
    return textwrap.fill(text, max(20, int(LETTERS * width)))


def outer_labels(axes: list[Axes], x: str, y: str) -> None:
    """Label the left and the lower edge of a grid of panels of one kind."""
    for ax in axes:
        place = ax.get_subplotspec()
        assert place is not None
        column, row = place.colspan, place.rowspan.start
        others = [spec for other in axes if (spec := other.get_subplotspec())]
        below = any(o.colspan == column and o.rowspan.start > row for o in others)
        ax.set(xlabel="" if below else x, ylabel=y if place.is_first_col() else "")


def networks_and_threats(rows: pd.DataFrame, labels: Labels) -> tuple[list[str], list[str]]:
    """Return the networks (rows of panels) and threats (columns of panels) of a table."""
    return list(dict.fromkeys(rows["network"])), labels.threats.in_order(rows["threat"])


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
