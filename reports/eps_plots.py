"""Figures against eps: accuracy as lines and as heat maps, success of the attacks."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.attackers import in_order
from reports.look import WONG
from reports.names import place
from reports.panels import (
    defence_label,
    defences,
    eps_label,
    grid,
    networks_and_threats,
    of,
    one,
    size,
)


def accuracy_by_eps(rows: pd.DataFrame) -> Figure:
    """Accuracy against eps, one line a defence; rows of panels by network, columns by threat.

    The paper's Figures 11 and 15a, for both attackers.
    """
    networks, threats = networks_and_threats(rows)
    figure, axes = grid(len(networks), len(threats), width=4.1, height=3.1, legend=1.5)
    lines = defences(rows)
    for r, network in enumerate(networks):
        for c, threat in enumerate(threats):
            ax, panel = axes[r][c], of(rows, network=network, threat=threat)
            ax.set_visible(not panel.empty)
            for label, (style, chosen) in lines.items():
                line = panel[chosen.reindex(panel.index)].sort_values("eps")
                ax.plot(line["eps"], line["accuracy"], **style, label=label)
            ax.set(ylim=(-0.02, 1.02), title=f"{place(one(rows, 'dataset'), network)}: {threat}")
            if r == len(networks) - 1:
                ax.set_xlabel(eps_label(rows))
            if c == 0:
                ax.set_ylabel("accuracy under attack")
    handles = [Line2D([], [], **style) for style, _ in lines.values()]
    figure.legend(handles, list(lines), title="defence", loc="outside right upper")
    figure.suptitle(f"Accuracy behind JPEG against eps: {one(rows, 'attack')}{size(rows)}")
    return figure


def heat_map(rows: pd.DataFrame) -> Figure:
    """Accuracy by eps (columns) and quality (rows), none and quantize above; panels as before."""
    networks, threats = networks_and_threats(rows)
    figure, axes = grid(len(networks), len(threats), width=4.6, height=3.7, legend=0.5)
    shown = rows.assign(row=[defence_label(d, q) for d, q in zip(
        rows["defence"], rows["quality"], strict=True)])  # fmt: skip
    order = list(defences(rows))
    bar = figure.colorbar(
        _mappable(), ax=[ax for line in axes for ax in line], shrink=0.7, label="accuracy"
    )
    bar.outline.set_visible(False)
    for r, network in enumerate(networks):
        for c, threat in enumerate(threats):
            ax = axes[r][c]
            panel = of(shown, network=network, threat=threat)
            if panel.empty:
                ax.set_visible(False)
                continue
            values = panel.pivot_table("accuracy", "row", "eps", sort=True).reindex(order)
            few = values.size <= 160
            sns.heatmap(
                values, ax=ax, vmin=0, vmax=1, cmap="cividis", cbar=False, annot=few,
                fmt=".2f", annot_kws={"fontsize": 5.5}, linewidths=0.4, linecolor="white",
                xticklabels=[f"{e:.3g}" for e in values.columns], yticklabels=True,
            )  # fmt: skip
            ax.tick_params(axis="x", rotation=45)
            ax.tick_params(axis="y", rotation=0)
            last = r == len(networks) - 1
            ax.set(
                title=f"{place(one(panel, 'dataset'), network)}: {threat}",
                xlabel=eps_label(rows) if last else "",
                ylabel="defence (JPEG quality)" if c == 0 else "",
            )
    figure.suptitle(f"Accuracy by eps and quality: {one(rows, 'attack')}{size(rows)}")
    return figure


def success_by_eps(rows: pd.DataFrame) -> Figure:
    """Success rate against eps on the undefended networks, one line an attack."""
    bare = of(rows, defence="none", threat=in_order(rows["threat"])[0])
    pairs = list(bare.groupby(["dataset", "network"], sort=False))
    wide = min(3, max(1, len(pairs)))
    figure, axes = grid(-(-len(pairs) // wide), wide, width=3.5, height=2.9, legend=0.6)
    flat = [ax for line in axes for ax in line]
    attacks = list(dict.fromkeys(bare["attack"]))
    colours = dict(zip(attacks, WONG * 3, strict=False))
    for ax, ((dataset, network), panel) in zip(flat, pairs, strict=False):
        for attack, line in panel.groupby("attack", sort=False):
            line = line.sort_values("eps")
            dash = "--" if attack == "noise" else "-"
            ax.plot(
                line["eps"], line["success_rate"], color=colours[str(attack)], linestyle=dash,
                marker="o", markersize=3,
            )  # fmt: skip
        ax.set(
            title=place(str(dataset), str(network)), ylim=(-0.02, 1.02),
            xlabel=eps_label(rows), ylabel="attack success rate",
        )  # fmt: skip
    for ax in flat[len(pairs) :]:
        ax.set_visible(False)
    handles = [
        Line2D([], [], color=colours[a], marker="o", markersize=3,
               linestyle="--" if a == "noise" else "-")
        for a in attacks
    ]  # fmt: skip
    figure.legend(handles, attacks, loc="outside lower center", ncols=min(4, len(attacks)))
    figure.suptitle("Attack success on undefended networks, among images that were right")
    return figure


def _mappable() -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(norm=Normalize(0, 1), cmap="cividis")
