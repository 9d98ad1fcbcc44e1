"""Training curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.results.atomic import replace_by
from reports.style.axes import new_figure
from reports.style.style import DPI, WONG, styled


def draw_training(history: pd.DataFrame, title: str, path: Path) -> None:
    """Write `training_curves` to a PNG file."""
    with styled():
        figure = training_curves(history, title)
        replace_by(path, lambda file: figure.savefig(file, format="png", dpi=DPI))


def training_curves(history: pd.DataFrame, title: str) -> Figure:
    """Draw accuracy and loss of training and test by epoch (the paper's Figures 26 to 28)."""
    figure, (axes,) = new_figure(8.4, 3.4, 1, 2)
    labels = {"accuracy": "accuracy", "loss": "loss (cross entropy)"}
    for ax, (measure, label) in zip(axes, labels.items(), strict=True):
        for split, colour in (("train", WONG[0]), ("test", WONG[1])):
            ax.plot(history["epoch"], history[f"{split}_{measure}"], color=colour, label=split)
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    # matplotlib reads text between dollars as mathematics
    figure.suptitle(title.replace("$", r"\$"))
    return figure
