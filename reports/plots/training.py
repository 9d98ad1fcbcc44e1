"""Training curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.style.style import DPI, WONG, styled


def draw_training(history: pd.DataFrame, title: str, path: Path) -> None:
    """Draw accuracy and loss of training and test by epoch (the paper's Figures 26 to 28)."""
    with styled():
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        for ax, measure, label in zip(
            figure.subplots(1, 2),
            ("accuracy", "loss"),
            ("accuracy", "loss (cross entropy)"),
            strict=True,
        ):
            for split, colour in (("train", WONG[0]), ("test", WONG[1])):
                ax.plot(history["epoch"], history[f"{split}_{measure}"], color=colour, label=split)
            ax.set(xlabel="epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend()
        figure.suptitle(title)
        figure.savefig(path, dpi=DPI)
