"""Box plots of one value per image, one panel per data set and network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.studies.drawing import boxes
from reports.style.axes import flat_grid
from reports.style.labels import Labels


def panels(
    table: pd.DataFrame,
    labels: Labels,
    width: float = 4.4,
    height: float = 3.1,
    legend: float = 0.0,
) -> tuple[Figure, list[tuple[Axes, Any]]]:
    """Return one panel per data set and network on one scale, each with its key and its rows."""
    groups = list(table.groupby(["dataset", "network"], sort=False))
    figure, axes = flat_grid(len(groups), width, height, legend, sharey=True)
    for ax, ((dataset, network), _) in zip(axes, groups, strict=True):
        ax.set_title(labels.place(str(dataset), str(network)))
    return figure, list(zip(axes, groups, strict=True))


def named_boxes(
    ax: Axes, values: Sequence[pd.Series[Any]], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Draw one box per series, without NaN, its name below."""
    series = [v.dropna().to_numpy() for v in values]
    boxes(ax, series, range(len(values)), 0.6, colours)
    longest = max(len(line) for name in names for line in name.split("\n"))
    # more characters than this do not fit side by side below a panel
    slanted = longest * len(names) > 55
    ax.set_xticks(
        range(len(names)), names, rotation=40 if slanted else 0, ha="right" if slanted else "center"
    )
    ax.grid(False, axis="x")
