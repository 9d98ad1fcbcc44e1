"""Figures on attackers: what images crafted on one network do to another."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.page.headline import budget
from reports.style.labels import file_name, place
from reports.worst_case.order import is_transfer


def transfer_figures(done: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """One matrix a data set and attack: name of the file and figure."""
    for (dataset, attack), rows in done.groupby(["dataset", "attack"], sort=False):
        matrix = transfer_matrix(rows)
        if matrix is not None:
            yield file_name("transfer", str(dataset), str(attack)), _drawn(rows, *matrix)


def transfer_matrix(rows: pd.DataFrame) -> tuple[pd.DataFrame, float | None] | None:
    """Accuracy of each network (columns) on images crafted on each other one (rows), and the eps.

    rows: results of one data set and attack. Without a defence, where the run has that. A network
    on its own images is the oblivious cell of the bare network, where `transfer` has none. The eps
    is the smallest at which networks keep at most half of their clean accuracy on their own
    images, on average; else the largest. None where nothing was transferred.
    """
    moved = rows[[is_transfer(str(t)) for t in rows["threat"]]]
    if moved.empty:
        return None
    bare = rows[rows["defence"] == "none"]
    rows = bare if bare["threat"].isin(moved["threat"]).any() else moved
    chosen = []
    for record in rows.to_dict("records"):
        threat = str(record["threat"])
        if is_transfer(threat):
            source = threat.partition("from=")[2].rstrip("]") if "[" in threat else ""
            chosen.append((_bracketed(source), record))
        elif threat == "oblivious" and record["defence"] == "none":
            chosen.append((str(record["network"]), record))
    table = pd.DataFrame(
        [
            (source, r["network"], r["eps"], r["accuracy"], r["clean_accuracy"])
            for source, r in chosen
        ],
        columns=["source", "network", "eps", "accuracy", "clean"],
    )
    table = table.drop_duplicates(["source", "network", "eps"])
    own = table[table["source"] == table["network"]].groupby("eps")[["accuracy", "clean"]].mean()
    half = own[own["accuracy"] <= own["clean"] / 2]
    eps = (
        None
        if table["eps"].isna().all()
        else float(
            (half if len(half) else table.set_index("eps")).index.min()
            if len(half)
            else table["eps"].max()
        )
    )
    at = table if eps is None else table[table["eps"] == eps]
    names = list(dict.fromkeys([*at["source"], *at["network"]]))
    matrix = at.pivot(index="source", columns="network", values="accuracy")
    present = [n for n in names if n in matrix.index], [n for n in names if n in matrix.columns]
    return matrix.reindex(index=present[0], columns=present[1]), eps


def _bracketed(source: str) -> str:
    """A network of the command line, `lenet:extra_layers=4`, as the results name it."""
    name, _, params = source.partition(":")
    return f"{name}[{params}]" if params else name


def _drawn(rows: pd.DataFrame, matrix: pd.DataFrame, eps: float | None) -> Figure:
    high, wide = matrix.shape
    figure = Figure(figsize=(max(3.4, 1.1 * wide + 2.2), 0.8 * high + 1.8), layout="constrained")
    ax = figure.subplots()
    dataset = str(rows["dataset"].iloc[0])
    sns.heatmap(
        matrix,
        ax=ax,
        vmin=0,
        vmax=1,
        cmap="cividis",
        annot=True,
        fmt=".2f",
        linewidths=0.5,
        linecolor="white",
        cbar_kws={"label": "accuracy"},
        xticklabels=[place(dataset, n) for n in matrix.columns],
        yticklabels=[place(dataset, n) for n in matrix.index],
    )
    at = "" if eps is None else f", {budget(str(rows['norm'].iloc[0]), eps)}"
    ax.set(xlabel="scored on", ylabel="crafted on")
    ax.tick_params(axis="x", rotation=30)
    ax.tick_params(axis="y", rotation=0)
    ax.set_title(f"Transfer of {rows['attack'].iloc[0]}{at}")
    return figure
