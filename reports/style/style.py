"""How every figure of the project looks: palette, style, labels of axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import seaborn as sns
from matplotlib import style

DPI = 130
# inches; pages show figures at about 850 pixels, where texts of wider ones are too small to read
WIDEST = 9.6
# Wong's palette (Nature Methods 2011): distinct for every common kind of colour blindness
WONG = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv<>"
NORM_LABEL = {"inf": "eps ($L_\\infty$, pixels in [0, 1])", "2": "eps ($L_2$, pixels in [0, 1])"}
NORM_LABEL |= {"1": "eps ($L_1$, pixels in [0, 1])", "0": "eps ($L_0$, changed values)"}
Style = dict[str, Any]
STYLE: Style = {
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.edgecolor": "#777777",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9.5,
    "legend.frameon": False,
    "figure.titlesize": 12,
}


def line_styles(names: Iterable[str]) -> dict[str, Style]:
    """Return a colour and a marker for each name, dashed from the eighth name on."""
    return {
        name: {
            "color": WONG[n % len(WONG)],
            "marker": MARKERS[n % len(MARKERS)],
            "markersize": 4,
            "linestyle": "-" if n < len(WONG) else "--",
        }
        for n, name in enumerate(names)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style of every figure of the project."""
    # seaborn's contexts drop the keys that are not theirs: STYLE is set once more
    with sns.axes_style("whitegrid"), sns.plotting_context("paper"), style.context(STYLE):
        yield
