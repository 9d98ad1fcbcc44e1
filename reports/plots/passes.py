"""Robust accuracy against the passes that an attack may spend on an image."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results.passes import curves
from reports.results.rows import Row, as_rows
from reports.statistics.intervals import wilson
from reports.style import axes as parts
from reports.style.axes import shade
from reports.style.labels import Labels
from reports.style.numbers import budget
from reports.style.style import line_styles


def accuracy_by_passes(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy against passes, a line per attack, eps, threat and defence.

    rows: finished rows, some of attacks that count their passes. A panel per data set and network.
    """
    table = curves(rows)
    table["line"] = [_line(row, labels) for row in as_rows(table)]
    lines = list(dict.fromkeys(table["line"]))
    panels = list(table.groupby(["dataset", "network"], sort=False))
    legend = 0.22 * len(lines)
    figure, axes = parts.flat_grid(len(panels), width=3.5, height=2.6, legend=legend)
    styles = line_styles(lines)
    for ax, ((dataset, network), panel) in zip(axes, panels, strict=True):
        for line, points in panel.groupby("line", sort=False):
            style = {**styles[str(line)], "drawstyle": "steps-post", "marker": ""}
            ax.plot(points["passes"], points["accuracy"], **style)
            limits = wilson(points["correct"].to_numpy(float), points["n"].to_numpy(float))
            shade(ax, points["passes"], *limits, style["color"], 0.12, step="post")
        ax.set(title=labels.place(str(dataset), str(network)), ylim=(-0.02, 1.02), xscale="log")
    parts.outer_labels(axes, "passes per image, forward and backward", "accuracy under attack")
    handles = [Line2D([], [], **styles[line]) for line in lines]
    figure.legend(handles, lines, loc="outside lower center", ncols=1)
    figure.suptitle("Accuracy against what an attack may spend on an image (95 % bands)")
    return figure


def _line(row: Row, labels: Labels) -> str:
    """Return what tells the lines of a panel apart."""
    attack = labels.attack(row["attack"])
    if row["eps"] is not None:
        attack += f", {budget(row['norm'], row['eps'])}"
    defence = labels.defence(row["defence"], row["quality"])
    return f"{attack}, {labels.threat(row['threat'])}, {defence}"
