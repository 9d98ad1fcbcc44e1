"""The closing hypothesis: networks behind a low-pass filter of growing width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import by_subject, table_of
from reports.plots.studies.sweep import band, by_setting, graded, sweep_figures
from reports.results.rows import select
from reports.style.axes import new_figure
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import WONG

AXIS = "filter width $\\sigma$ (pixels)"


@saved
def draw(folder: Path) -> Figures:
    """Draw accuracy against eps by filter width, and against it accuracy, loss and area.

    Then the gain of the first layer, and the median smallest eps.
    """
    labels, smallest = read_labels(folder).for_figures(), table_of(folder, "smallest")
    yield from sweep_figures(folder, "low_pass", "clean", AXIS, _label)
    for dataset, network, rows in by_subject(table_of(folder, "transfer")):
        where = labels.place(dataset, network)
        yield file_name("transfer", dataset, network), _response(rows, where)
        figure = _distances(select(smallest, dataset=dataset, network=network), where, labels)
        yield file_name("smallest", dataset, network), figure


def _label(sigma: float) -> str:
    return "no filter" if sigma == 0 else f"{sigma:g}"


def _response(rows: pd.DataFrame, where: str) -> Figure:
    """Draw the gain of filter and first convolution, and the filter's own part of it."""
    figure, ((ax,),) = new_figure(7.4, 3.6)
    at = np.linspace(0, 0.5, 101)
    colours = graded(rows["low_pass"])
    for sigma, colour in colours.items():
        mine = rows[rows["low_pass"] == sigma]
        band(ax, mine, "frequency", "gain", colour)
        if sigma:
            start = mine.groupby("frequency")["gain"].mean().iloc[0]
            alone = start * np.exp(-2 * (np.pi * sigma * at) ** 2)
            ax.plot(at, alone, color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel="frequency (cycles per pixel)", ylabel="gain", xlim=(0, 0.5), ylim=(0, None))
    ax.set_title(f"{where}: what the first convolution answers to gratings")
    handles = [Line2D([], [], color=c, label=_label(s)) for s, c in colours.items()]
    handles.append(Line2D([], [], color="#555555", linestyle=":", label="filter alone, scaled"))
    figure.legend(handles=handles, title=AXIS, loc="outside right upper", alignment="left")
    return figure


def _distances(rows: pd.DataFrame, where: str, labels: Labels) -> Figure:
    """Draw the median smallest eps of FGSM and FGM, each in its norm."""
    figure, (axes,) = new_figure(7.4, 3.3, 1, 2)
    norms = {"fgsm": "$L_\\infty$", "fgm": "$L_2$"}
    for ax, colour, (attack, norm) in zip(axes, WONG, norms.items(), strict=False):
        shown = rows[rows["attack"] == attack].replace(np.inf, np.nan)
        by_setting(ax, shown, "low_pass", "median", colour, "")
        ax.set(title=f"{labels.attack(attack)}, {norm}", xlabel=AXIS, ylim=(0, None))
    axes[0].set_ylabel("median smallest eps")
    figure.suptitle(f"{where}: smallest eps of the images that are right without attack")
    return figure
