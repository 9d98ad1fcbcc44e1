"""A comparison as a figure: the difference of each cell with its interval."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from reports.compare.compare import Comparison
from reports.compare.pairing import records
from reports.compare.render import common, letters, varying
from reports.errors import TableError
from reports.results.atomic import replace_by
from reports.style.cell_names import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinct for the colour-blind; the marker says the same without colour
_LOOKS = {"worse": ("#d55e00", "v"), "same": ("#767676", "o"), "better": ("#0072b2", "^")}


def write_plot(comparison: Comparison, path: Path, limit: int = 30) -> None:
    """Write `forest` to a file; its suffix (.png, .svg, .pdf) names the format."""
    known = (".png", ".svg", ".pdf")
    if path.suffix.lower() not in known:
        raise TableError(f"plot {path}: expected a file ending in {', '.join(known)}")
    figure, form = forest(comparison, limit), path.suffix.lower().removeprefix(".")
    target = Path(os.path.realpath(path))  # a link stays one
    replace_by(target, lambda file: figure.savefig(file, format=form, dpi=150))


def forest(comparison: Comparison, limit: int = 30) -> Figure:
    """Draw the differences with their intervals, the worst on top.

    Of more than `limit` cells the significant ones come first, then the largest differences.
    Raises TableError if no cell is on both sides.
    """
    from matplotlib.figure import Figure

    tested = comparison.rows[comparison.rows["difference"].notna()]
    if tested.empty:
        raise TableError("plot: no cell is in both runs; remove --plot")
    rows = _chosen(tested, limit)
    places = range(len(rows))
    figure = Figure(figsize=(9, 1.5 + 0.26 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color="#404040", linewidth=1, zorder=1)
    for verdict, (colour, marker) in _LOOKS.items():
        at = [i for i in places if rows["verdict"].iloc[i] == verdict]
        some = rows.iloc[at]
        if at:
            label = f"{verdict} ({(tested['verdict'] == verdict).sum()})"
            x = 100 * some["difference"]
            axes.hlines(at, 100 * some["low"], 100 * some["high"], colors=colour, linewidth=2)
            axes.scatter(x, at, s=36, color=colour, marker=marker, label=label, zorder=3)
    cell, letter = varying(tested), letters(comparison)
    labels = [
        fill(
            f"{letter[row['b']]}: " * (len(letter) > 1) + describe(row, cell, comparison.labels), 56
        )
        for row in records(rows)
    ]
    # names may hold dollar signs, which would be read as mathematics
    axes.set_yticks(places, labels, fontsize=8, parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    what = f"accuracy of {'the run' if len(letter) > 1 else 'B'} minus that of A"
    unit = f"percentage points ({100 * comparison.level:g} % intervals)"
    axes.set_xlabel(f"{what}, {unit}\n{common(tested, comparison.labels)}", parse_math=False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    values = axes.secondary_yaxis("right")
    both = zip(rows["accuracy_a"], rows["accuracy_b"], strict=True)
    values.set_yticks(places, [f"{100 * a:.1f} → {100 * b:.1f} %" for a, b in both], fontsize=8)
    for side in (axes, values):
        side.tick_params(axis="y", length=0)
        side.spines[["top", "right", "left"]].set_visible(False)
    few = f": {len(rows)} of {len(tested)} cells" if len(rows) < len(tested) else ""
    figure.suptitle(f"What changed{few}", x=0.01, ha="left", fontsize=11)
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return figure


def _chosen(tested: pd.DataFrame, limit: int) -> pd.DataFrame:
    significant, size = tested["verdict"] != "same", tested["difference"].abs()
    order = tested.assign(significant=significant, size=size)
    order = order.sort_values(["significant", "size"], ascending=False, kind="stable")
    return order.head(limit).sort_values("difference", kind="stable")
