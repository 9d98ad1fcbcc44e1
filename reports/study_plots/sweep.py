"""Figures of a sweep: one line a setting, in the order of the settings, with bands over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.look import NORM_LABEL, WONG, styled
from reports.names import file_name, place
from reports.study_plots.drawing import save, table_of

ATTACK_NAMES = {
    "fgsm": "FGSM",
    "fgsm-margin": "FGSM on the margin",
    "fgm": "FGM",
    "pgd": "PGD",
}
# panels of the accuracy figure: the attack of one gradient, its norm, whether PGD stands beside
PANELS = (("fgsm", "inf", True), ("fgsm-margin", "inf", False), ("fgm", "2", True))
SATURATION = {"probability of the label is 1": "saturated", "gradient is zero": "zero_gradient"}
Label = Callable[[Any], str]


def draw_sweep(folder: Path, by: str, gap: str, axis: str, label: Label) -> list[Path]:
    """The figures that every sweep has, for each data set and network of its tables.

    by: the column that the sweep varies. gap: the table of accuracies and losses without attack.
    axis: what `by` is called. label: how a value of it is written in a legend.
    """
    accuracy, area = table_of(folder, "accuracy"), table_of(folder, "area")
    clean = table_of(folder, gap)
    written = []
    with styled():
        for (dataset, network), rows in subjects(accuracy):
            name = file_name(dataset, network)
            where = place(dataset, network)
            figure = accuracy_curves(rows, by, axis, label, where)
            written.append(save(figure, folder, f"accuracy-{name}"))
            of = of_subject(dataset, network)
            figure = overview(of(clean), of(area), by, axis, where)
            written.append(save(figure, folder, f"{gap}-{name}"))
    return written


def subjects(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Data set and network with their rows, in the order of the table."""
    for (dataset, network), rows in table.groupby(["dataset", "network"], sort=False):
        yield (f"{dataset!s}", f"{network!s}"), rows


def of_subject(dataset: str, network: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Picks the rows of one data set and network."""

    def pick(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["dataset"] == dataset) & (table["network"] == network)]

    return pick


def accuracy_curves(rows: pd.DataFrame, by: str, axis: str, label: Label, where: str) -> Figure:
    """Accuracy against eps, one colour a setting: the paper's Figure 19 for three attacks."""
    figure = Figure(figsize=(11.2, 3.9), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    colours = graded(rows[by])
    for ax, (attack, norm, beside) in zip(axes, PANELS, strict=True):
        shown = rows[(rows["norm"] == norm)]
        for value, colour in colours.items():
            one = shown[shown[by] == value]
            band(ax, one[one["attack"] == attack], "eps", "accuracy", colour)
            if beside:
                dots(ax, one[one["attack"] == "pgd"], "eps", "accuracy", colour)
        title = ATTACK_NAMES[attack]
        ax.set(title=f"{title} (lines), PGD (diamonds)" if beside else f"{title} (control)")
        ax.set(xlabel=NORM_LABEL[norm], ylim=(-0.02, 1.02), xlim=(0, None))
        ax.margins(x=0.02)
    axes[0].set_ylabel("accuracy under attack")
    handles = [Line2D([], [], color=c, label=label(value)) for value, c in colours.items()]
    figure.legend(handles=handles, title=axis, loc="outside right upper", alignment="left")
    figure.suptitle(f"{where}: {_told(rows)}")
    return figure


def overview(clean: pd.DataFrame, area: pd.DataFrame, by: str, axis: str, where: str) -> Figure:
    """Without attack: accuracy and loss of training and test. Under attack: area under curves.

    Beside them what may pass for robustness: images on which cross entropy is saturated.
    """
    figure = Figure(figsize=(13.4, 3.6), layout="constrained")
    left, middle, masked, right = figure.subplots(1, 4)
    for ax, measure in ((left, "accuracy"), (middle, "loss")):
        columns = {"training images": f"train_{measure}", "test images": f"test_{measure}"}
        for colour, (name, column) in zip(WONG, columns.items(), strict=False):
            by_setting(ax, clean, by, column, colour, name)
        ax.set(title=f"{measure} without attack", xlabel=axis)
        ax.legend()
    middle.set_ylim(bottom=0)
    for colour, (name, column) in zip(WONG[2:], SATURATION.items(), strict=False):
        by_setting(masked, clean, by, column, colour, name)
    masked.set(title="share of the attacked images", xlabel=axis, ylim=(-0.02, 1.02))
    masked.legend()
    for colour, ((attack, norm), rows) in zip(
        WONG, area.groupby(["attack", "norm"], sort=False), strict=False
    ):
        norm_name = "$L_2$" if norm == "2" else "$L_\\infty$"
        # curves through other eps have other areas: attacks are not compared by them
        top = f"{rows['eps_max'].iloc[0]:.2g}"
        name = f"{ATTACK_NAMES[f'{attack!s}']}, {norm_name} to {top}"
        by_setting(right, rows, by, "area", colour, name)
    right.set(title="area under accuracy", xlabel=axis, ylim=(0, None))
    figure.legend(
        *right.get_legend_handles_labels(), title="attack", loc="outside right upper",
        alignment="left",
    )  # fmt: skip
    figure.suptitle(f"{where}: {_told(clean)}")
    return figure


def by_setting(ax: Axes, rows: pd.DataFrame, by: str, column: str, colour: str, name: str) -> None:
    """Mean over seeds as a line, each seed as a dot, the settings at equal distances."""
    values = sorted(rows[by].unique())
    place_of = {value: n for n, value in enumerate(values)}
    mean = rows.groupby(by)[column].mean()
    ax.plot(range(len(values)), mean.to_numpy(), color=colour, label=name)
    ax.plot(
        rows[by].map(place_of), rows[column], linestyle="none", marker="o", markersize=3,
        color=colour, alpha=0.7,
    )  # fmt: skip
    ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])


def band(ax: Axes, rows: pd.DataFrame, x: str, y: str, colour: Any) -> None:
    """Mean over seeds as a line, from the lowest to the highest seed as a band."""
    seen = rows.groupby(x)[y].agg(["mean", "min", "max"])
    at = seen.index.to_numpy(dtype=float)
    ax.plot(at, seen["mean"].to_numpy(), color=colour, linewidth=1.4)
    ax.fill_between(
        at, seen["min"].to_numpy(), seen["max"].to_numpy(), color=colour, alpha=0.18, linewidth=0
    )


def dots(ax: Axes, rows: pd.DataFrame, x: str, y: str, colour: Any) -> None:
    """Mean over seeds as diamonds."""
    mean = rows[rows[x] > 0].groupby(x)[y].mean()
    ax.plot(
        mean.index.to_numpy(dtype=float), mean.to_numpy(), color=colour, linestyle="none",
        marker="D", markersize=4, markeredgecolor="white", markeredgewidth=0.5, zorder=5,
        clip_on=False,
    )  # fmt: skip


def graded(values: pd.Series[Any]) -> dict[Any, Any]:
    """A colour for each value, growing from bright to dark with it."""
    distinct = sorted(values.unique())
    palette = sns.color_palette("viridis_r", len(distinct) + 1)[1:]
    return dict(zip(distinct, palette, strict=True))


def _told(rows: pd.DataFrame) -> str:
    """How many networks a line stands for."""
    seeds = rows["seed"].nunique()
    if seeds == 1:
        return "one training seed"
    return f"mean and range of {seeds} training seeds"
