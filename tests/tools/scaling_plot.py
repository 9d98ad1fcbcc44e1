"""Draw the simulated scaling of a grid."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# Okabe and Ito's colours; the line style says the same without colour
_LOOKS = {"plan": ("#d55e00", "o", "--"), "longest first": ("#0072b2", "s", "-")}


def write_scaling(table: Path, path: Path) -> None:
    """Draw seconds against workers, and their lower bounds.

    table: a CSV of `python tests/tools/simulate.py`.
    """
    from matplotlib.figure import Figure

    rows = pd.read_csv(table)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    first = rows[rows["order"] == rows["order"].iloc[0]]
    for column, name, style in (
        ("work_bound", "start-up + work / workers", ":"),
        ("chunk_bound", "start-up + longest chunk", "-."),
        ("client_bound", "client and scheduler", "-"),
    ):
        axes.plot(
            first["workers"], first[column], style, color="#909090", linewidth=1.2, label=name
        )
    for order, (colour, marker, style) in _LOOKS.items():
        some = rows[rows["order"] == order]
        axes.plot(
            some["workers"],
            some["seconds"],
            style,
            marker=marker,
            color=colour,
            label=f"simulated, {order}",
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(first["workers"], [str(n) for n in first["workers"]])
    axes.minorticks_off()
    axes.set_xlabel("workers, one core each")
    axes.set_ylabel("seconds")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)
