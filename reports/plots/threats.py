"""Figures on transfer: images crafted on one network and scored on another."""

from __future__ import annotations

from functools import partial

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.plots.saving import Drawings
from reports.results.operating_point import halving_point
from reports.results.threats import OBLIVIOUS, Threats
from reports.style.axes import new_figure, one
from reports.style.file_names import file_name
from reports.style.labels import Labels, bracketed
from reports.style.numbers import budget


def transfer_figures(done: pd.DataFrame, labels: Labels) -> Drawings:
    """Yield one matrix per data set and attack: name of the file, and what draws it."""
    for (dataset, attack), rows in done.groupby(["dataset", "attack"], sort=False):
        matrix = transfer_matrix(rows, labels.threats)
        if matrix is not None:
            name = file_name("transfer", str(dataset), str(attack))
            yield name, partial(_drawn, rows, *matrix, labels)


def transfer_matrix(
    rows: pd.DataFrame, threats: Threats
) -> tuple[pd.DataFrame, float | None] | None:
    """Return the accuracy of networks (columns) on images crafted on others (rows), and the eps.

    rows: results of one data set and attack. Without a defence, if the run has such cells. The cell
    of a network on its own images is the oblivious one of the bare network, unless the run crafted
    them as a transfer. The eps is the smallest at which networks keep at most half of their clean
    accuracy on their own images, on average; else the largest. None if nothing was transferred.
    """
    moved = rows[[threats.crafted_elsewhere(str(t)) for t in rows["threat"]]]
    if moved.empty:
        return None
    bare = rows[rows["defence"] == "none"]
    rows = bare if bare["threat"].isin(moved["threat"]).any() else moved
    chosen = []
    for record in rows.to_dict("records"):
        threat = str(record["threat"])
        if threats.crafted_elsewhere(threat):
            source = threat.partition("from=")[2].rstrip("]") if "[" in threat else ""
            chosen.append((bracketed(source), record))
        elif threat == OBLIVIOUS and record["defence"] == "none":
            chosen.append((str(record["network"]), record))
    columns = ["source", "network", "eps", "accuracy", "clean_accuracy"]
    table = pd.DataFrame([{**r, "source": source} for source, r in chosen], columns=columns)
    table = table.drop_duplicates(["source", "network", "eps"])
    own = table[table["source"] == table["network"]].groupby("eps")[columns[3:]].mean()
    eps = None
    if not table["eps"].isna().all():
        place, halved = halving_point(zip(own["accuracy"], own["clean_accuracy"], strict=True))
        eps = float(own.index[place] if halved else table["eps"].max())
    at = table if eps is None else table[table["eps"] == eps]
    names = list(dict.fromkeys([*at["source"], *at["network"]]))
    matrix = at.pivot(index="source", columns="network", values="accuracy")
    present = [n for n in names if n in matrix.index], [n for n in names if n in matrix.columns]
    return matrix.reindex(index=present[0], columns=present[1]), eps


def _drawn(rows: pd.DataFrame, matrix: pd.DataFrame, eps: float | None, labels: Labels) -> Figure:
    high, wide = matrix.shape
    figure, ((ax,),) = new_figure(max(3.4, 1.1 * wide + 2.2), 0.8 * high + 1.8)
    x, y = ([labels.place(one(rows, "dataset"), n) for n in names] for names in matrix.axes[::-1])
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "linewidths": 0.5, "linecolor": "white"}
    numbers = {"annot": True, "fmt": ".2f", "cbar_kws": {"label": "accuracy"}}
    sns.heatmap(matrix, ax=ax, xticklabels=x, yticklabels=y, **look, **numbers)
    at = "" if eps is None else f", {budget(one(rows, 'norm'), eps)}"
    ax.set(xlabel="scored on", ylabel="crafted on")
    ax.tick_params(axis="x", rotation=30)
    ax.tick_params(axis="y", rotation=0)
    ax.set_title(f"Transfer of {labels.attack(one(rows, 'attack'))}{at}")
    return figure
