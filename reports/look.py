"""How every figure of the project looks: palette, style, labels of axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import seaborn as sns

DPI = 130
# Wong's palette (Nature Methods 2011) keeps apart for every common kind of colour blindness
WONG = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
NORM_LABEL = {"inf": "eps ($L_\\infty$, pixels in [0, 1])", "2": "eps ($L_2$, pixels in [0, 1])"}
STYLE = {
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.edgecolor": "#777777",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 12,
}


@contextmanager
def styled() -> Iterator[None]:
    """The style of every figure of the project."""
    with sns.axes_style("whitegrid", rc=STYLE), sns.plotting_context("paper", rc=STYLE):
        yield
