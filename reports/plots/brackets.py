"""The robust accuracy from both sides: proved, and not broken by the attacks of the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.statistics.intervals import wilson
from reports.style import axes as parts
from reports.style.axes import few_ticks, shade
from reports.style.labels import Labels
from reports.style.style import NORM_LABEL, Style, line_styles
from reports.worst_case.brackets import Bracket


def bracket_by_eps(found: Sequence[Bracket], labels: Labels) -> Figure:
    """Draw the shares proved, by method, and not broken against eps; one panel per network.

    found: of one data set. Bands are 95 % intervals; what lies between the lines is open.
    """
    names = {b.method: b.name for b in found}
    if len(set(names.values())) < len(names):
        names = {method: method for method in names}
    styles = line_styles(names)
    networks = list(dict.fromkeys(b.network for b in found))
    figure, axes = parts.flat_grid(len(networks), width=3.7, height=2.8, legend=0.3)
    width = 6.6 if len(networks) == 1 else 3.0
    top: Style = {"color": "black", "marker": "o", "markersize": 4}
    for ax, network in zip(axes, networks, strict=True):
        own = [b for b in found if b.network == network]
        for method in dict.fromkeys(b.method for b in own):
            line = sorted((b for b in own if b.method == method), key=lambda b: b.eps)
            eps, n = [b.eps for b in line], np.array([b.n for b in line])
            proved = np.array([b.proved for b in line])
            ax.plot(eps, proved / n, **styles[method])
            shade(ax, eps, *wilson(proved, n), styles[method]["color"])
        # what is not broken does not depend on the method, unless proofs cover other images
        line = sorted(own, key=lambda b: (b.eps, b.method))
        line = list({b.eps: b for b in line}.values())
        eps, n = [b.eps for b in line], np.array([b.n for b in line])
        standing = np.array([b.standing for b in line])
        ax.plot(eps, standing / n, **top)
        shade(ax, eps, *wilson(standing, n), "black", 0.12)
        title = parts.panel_title(labels.place(own[0].dataset, network), width)
        ax.set(title=title, ylim=(-0.02, 1.02))
        few_ticks(ax)
    parts.outer_labels(axes, NORM_LABEL["inf"], "share of images")
    handles = [Line2D([], [], **top), *(Line2D([], [], **styles[m]) for m in names)]
    texts = ["not broken by any attack", *(f"proved by {name}" for name in names.values())]
    figure.legend(handles, texts, loc="outside lower center", ncols=min(4, len(texts)))
    figure.suptitle("Robust accuracy from both sides; between the lines is open (95 % bands)")
    return figure
