"""Figures of a sweep: one line per setting, in their order, with bands over seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from reports.plots.saving import Figures
from reports.plots.studies.drawing import bare, by_subject, table_of
from reports.results.rows import select
from reports.style.axes import few_ticks, new_figure, shade
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import MARKERS, NORM_LABEL, WIDEST, WONG, Style

# panels of the accuracy figure: the one-step attack, its norm, whether PGD is drawn as well
PANELS = (("fgsm", "inf", True), ("fgsm-margin", "inf", False), ("fgm", "2", True))
SATURATION = {"probability of the label is 1": "saturated", "gradient is zero": "zero_gradient"}
# colour and marker of the lines of a panel
LOOKS = tuple(zip(WONG, MARKERS, strict=True))
Setting = Callable[[float], str]


def sweep_figures(folder: Path, by: str, gap: str, axis: str, setting: Setting) -> Figures:
    """Draw the figures that every sweep has, for each data set and network of its tables.

    by: the column that the sweep varies. gap: the table of accuracies and losses without attack.
    axis: the label of `by`. setting: returns the legend's text of a value of `by`.
    """
    labels = read_labels(folder).for_figures()
    area, clean = table_of(folder, "area"), table_of(folder, gap)
    for dataset, network, rows in by_subject(table_of(folder, "accuracy")):
        where = labels.place(dataset, network)
        figure = accuracy_curves(rows, by, axis, setting, where, labels)
        yield file_name("accuracy", dataset, network), figure
        mine, areas = (select(t, dataset=dataset, network=network) for t in (clean, area))
        yield file_name(gap, dataset, network), overview(mine, areas, by, axis, where, labels)


def accuracy_curves(
    rows: pd.DataFrame, by: str, axis: str, setting: Setting, where: str, labels: Labels
) -> Figure:
    """Draw accuracy against eps, one colour per setting: the paper's Figure 19, three attacks."""
    figure, (axes,) = new_figure(WIDEST, 3.7, 1, len(PANELS), sharey=True)
    colours = graded(rows[by])
    for ax, (attack, norm, beside) in zip(axes, PANELS, strict=True):
        shown = rows[(rows["norm"] == norm)]
        # side by side: diamonds of one eps would hide each other
        apart = 0.012 * shown["eps"].max()
        for n, (value, colour) in enumerate(colours.items()):
            one = shown[shown[by] == value]
            band(ax, one[one["attack"] == attack], "eps", "accuracy", colour)
            if beside:
                shift = apart * (n - (len(colours) - 1) / 2)
                dots(ax, one[one["attack"] == "pgd"], "eps", "accuracy", colour, shift)
        title = labels.attack(attack)
        ax.set(title=f"{title} (lines)\nPGD (diamonds)" if beside else f"{title}\n(control)")
        ax.set(xlabel=NORM_LABEL[norm], ylim=(-0.02, 1.02), xlim=(0, None))
        ax.margins(x=0.02)
        few_ticks(ax, 4)
    axes[0].set_ylabel("accuracy under attack")
    handles = [Line2D([], [], color=c, label=setting(value)) for value, c in colours.items()]
    # the title of the legend stands in one line with its entries
    handles.insert(0, Line2D([], [], linestyle="none", label=f"{axis}:"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    figure.suptitle(f"{where}: accuracy against eps by {axis}, {_seeds(rows)}")
    return figure


def overview(
    clean: pd.DataFrame, area: pd.DataFrame, by: str, axis: str, where: str, labels: Labels
) -> Figure:
    """Draw accuracy, loss and their gap without attack, and areas under attack.

    Also what may look like robustness: the share of images with saturated cross entropy.
    """
    figure, ((left, middle, gap), (masked, right, aside)) = new_figure(WIDEST, 5.6, 2, 3)
    for ax, measure in ((left, "accuracy"), (middle, "loss")):
        columns = {"training images": f"train_{measure}", "test images": f"test_{measure}"}
        for (colour, marker), (name, column) in zip(LOOKS, columns.items(), strict=False):
            by_setting(ax, clean, by, column, colour, name, marker)
        ax.set(title=f"{measure} without attack")
        ax.legend()
    middle.set_ylim(bottom=0)
    apart = clean.assign(gap=clean["train_accuracy"] - clean["test_accuracy"])
    by_setting(gap, apart, by, "gap", WONG[6], "")
    gap.axhline(0, color="#777777", linewidth=0.8)
    gap.set(title="training minus test accuracy")
    for (colour, marker), (name, column) in zip(LOOKS[2:], SATURATION.items(), strict=False):
        by_setting(masked, clean, by, column, colour, name, marker)
    masked.set(title="share of the attacked images", ylim=(-0.02, 1.02))
    masked.legend()
    areas = area.groupby(["attack", "norm"], sort=False)
    for (colour, marker), ((attack, norm), rows) in zip(LOOKS, areas, strict=False):
        norm_name = "$L_2$" if norm == "2" else "$L_\\infty$"
        # curves through other eps have other areas: attacks are not compared by them
        top = f"{rows['eps_max'].iloc[0]:.2g}"
        name = f"{labels.attack(str(attack))}, {norm_name} to {top}"
        by_setting(right, rows, by, "area", colour, name, marker)
    right.set(title="area under accuracy", ylim=(0, None))
    bare(aside)
    lines = right.get_legend_handles_labels()
    aside.legend(*lines, title="area under accuracy", loc="center left", alignment="left")
    for ax in (gap, masked, right):
        ax.set_xlabel(axis)
    figure.suptitle(f"{where}, by {axis}: {_seeds(clean, 'each')}")
    return figure


def by_setting(
    ax: Axes, rows: pd.DataFrame, by: str, column: str, colour: str, name: str, marker: str = "o"
) -> None:
    """Draw the mean over seeds as a line and each seed as a mark, settings at equal distances."""
    values = sorted(rows[by].unique())
    place_of = {value: n for n, value in enumerate(values)}
    mean = rows.groupby(by)[column].mean()
    at = range(len(values))
    look: Style = {"color": colour, "marker": marker, "markersize": 4}
    faint = {**look, "linestyle": "none", "alpha": 0.35, "markeredgewidth": 0}
    ax.plot(at, mean.to_numpy(), **look, label=name)
    ax.plot(rows[by].map(place_of), rows[column], **faint)
    ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])


def band(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, colour: ColorType, name: str | None = None
) -> None:
    """Draw the mean over seeds as a line, and the range of the seeds as a band."""
    seen = rows.groupby(x)[y].agg(["mean", "min", "max"])
    at = seen.index.to_numpy(dtype=float)
    ax.plot(at, seen["mean"].to_numpy(), color=colour, linewidth=1.4, label=name)
    shade(ax, at, seen["min"].to_numpy(), seen["max"].to_numpy(), colour)


def dots(ax: Axes, rows: pd.DataFrame, x: str, y: str, colour: ColorType, shift: float) -> None:
    """Draw the mean over seeds as diamonds, and the range of the seeds as a bar.

    shift: distance along x.
    """
    seen = rows[rows[x] > 0].groupby(x)[y].agg(["mean", "min", "max"])
    at, mean = seen.index.to_numpy(dtype=float) + shift, seen["mean"].to_numpy()
    ax.vlines(at, seen["min"], seen["max"], colors=[colour], linewidth=1, zorder=4)
    marks: Style = {"marker": "D", "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 5}
    ax.plot(at, mean, color=colour, linestyle="none", markersize=4, **marks, clip_on=False)


def graded(values: pd.Series[float]) -> dict[float, ColorType]:
    """Return a colour for each value, darker for larger ones."""
    distinct = sorted(values.unique())
    # the brightest part of the map would be lost on white, the darkest looks black
    shades = colormaps["viridis"](np.linspace(0.75, 0.1, len(distinct)))
    return dict(zip(distinct, map(tuple, shades), strict=True))


def _seeds(rows: pd.DataFrame, spread: str = "range") -> str:
    """Return how many networks a line stands for, and how their spread is shown."""
    seeds = rows["seed"].nunique()
    return "one training seed" if seeds == 1 else f"mean and {spread} of {seeds} training seeds"
