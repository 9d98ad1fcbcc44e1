"""Figures against eps: accuracy as lines and as heat maps, success of the attacks."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.statistics.intervals import wilson
from reports.style.axes import (
    defence_label,
    defences,
    eps_label,
    few_ticks,
    flat_grid,
    grid,
    networks_and_threats,
    of,
    one,
    outer_labels,
    size,
)
from reports.style.labels import attack_name, data_name, network_name, place
from reports.style.style import line_styles
from reports.worst_case.order import in_order


def accuracy_by_eps(rows: pd.DataFrame) -> Figure:
    """Accuracy against eps, one line a defence; rows of panels by network, columns by threat.

    The paper's Figures 11 and 15a, for every attacker.
    """
    networks, threats = networks_and_threats(rows)
    figure, axes = grid(len(networks), len(threats), width=4.1, height=2.7, legend=1.5)
    lines = defences(rows)
    dataset = one(rows, "dataset")
    for r, network in enumerate(networks):
        first = True
        for c, threat in enumerate(threats):
            ax, panel = axes[r][c], of(rows, network=network, threat=threat)
            ax.set_visible(not panel.empty)
            if panel.empty:
                continue
            for label, (style, chosen) in lines.items():
                line = panel[chosen.reindex(panel.index)].sort_values("eps")
                ax.plot(line["eps"], line["accuracy"], **style, label=label)
            ax.set(ylim=(-0.02, 1.02), title=f"{network_name(network)}: {threat}")
            few_ticks(ax)
            ax.tick_params(labelleft=first)
            if first:
                ax.set_ylabel("accuracy under attack")
            first = False
            if r == len(networks) - 1:
                ax.set_xlabel(eps_label(rows))
    handles = [Line2D([], [], **style) for style, _ in lines.values()]
    figure.legend(handles, list(lines), title="defence", loc="outside right center")
    attack = attack_name(one(rows, "attack"))
    figure.suptitle(f"{data_name(dataset)}, {attack}: accuracy behind JPEG against eps{size(rows)}")
    return figure


def heat_map(rows: pd.DataFrame) -> Figure:
    """Accuracy by eps (columns) and quality (rows), none and quantize above; panels as before."""
    networks, threats = networks_and_threats(rows)
    order = list(defences(rows))
    height = 1.4 + 0.19 * len(order)
    figure, axes = grid(len(networks), len(threats), width=4.6, height=height, legend=0.5)
    labels = [defence_label(d, q) for d, q in zip(rows["defence"], rows["quality"], strict=True)]
    shown = rows.assign(row=labels, percent=100 * rows["accuracy"])
    bar = figure.colorbar(
        ScalarMappable(norm=Normalize(0, 100), cmap="cividis"),
        ax=[ax for line in axes for ax in line],
        shrink=0.7,
        aspect=30,
        label="accuracy (%)",
    )
    bar.outline.set_visible(False)
    for r, network in enumerate(networks):
        for c, threat in enumerate(threats):
            ax = axes[r][c]
            panel = of(shown, network=network, threat=threat)
            if panel.empty:
                ax.set_visible(False)
                continue
            values = panel.pivot_table("percent", "row", "eps", sort=True).reindex(order)
            few = values.shape[1] * len(threats) <= 40
            sns.heatmap(
                values,
                ax=ax,
                vmin=0,
                vmax=100,
                cmap="cividis",
                cbar=False,
                annot=few,
                fmt=".0f",
                annot_kws={"fontsize": 7},
                linewidths=0.4,
                linecolor="white",
                xticklabels=[_short(float(e)) for e in values.columns],
                yticklabels=c == 0,
            )
            ax.tick_params(axis="x", rotation=60, labelsize=8)
            ax.tick_params(axis="y", rotation=0, labelsize=8)
            last = r == len(networks) - 1
            ax.set(
                title=f"{network_name(network)}: {threat}",
                xlabel=eps_label(rows) if last else "",
                ylabel="defence (JPEG quality)" if c == 0 else "",
            )
    of_what = f"{data_name(one(rows, 'dataset'))}, {attack_name(one(rows, 'attack'))}"
    figure.suptitle(f"{of_what}: accuracy by eps and quality{size(rows)}")
    return figure


def success_by_eps(rows: pd.DataFrame) -> Figure:
    """Success rate against eps on the undefended networks, one line an attack, 95 % bands."""
    bare = of(rows, defence="none", threat=in_order(rows["threat"])[0])
    pairs = list(bare.groupby(["dataset", "network"], sort=False))
    attacks = [str(attack) for attack in dict.fromkeys(bare["attack"])]
    legend = 0.25 * -(-len(attacks) // 3)
    figure, axes = flat_grid(len(pairs), width=3.5, height=2.6, legend=legend)
    styles = line_styles(attacks)
    if "noise" in styles:
        styles["noise"]["linestyle"] = ":"
    for ax, ((dataset, network), panel) in zip(axes, pairs, strict=True):
        for attack, line in panel.groupby("attack", sort=False):
            line = line.sort_values("eps")
            style = styles[f"{attack}"]
            ax.plot(line["eps"], line["success_rate"], **style)
            turned = (line["success_rate"] * line["clean_correct"]).round()
            low, high = wilson(turned.to_numpy(float), line["clean_correct"].to_numpy(float))
            ax.fill_between(line["eps"], low, high, color=style["color"], alpha=0.15, linewidth=0)
        ax.set(title=place(str(dataset), str(network)), ylim=(-0.02, 1.02))
        few_ticks(ax)
    outer_labels(axes, eps_label(rows), "attack success rate")
    handles = [Line2D([], [], **style) for style in styles.values()]
    names = [attack_name(attack) for attack in attacks]
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(attacks)))
    figure.suptitle("Attack success without a defence, of the images that were right (95 % bands)")
    return figure


def _short(eps: float) -> str:
    """An eps below a column: three digits where they take no more than five letters."""
    text = f"{eps:.3g}"
    return text if len(text) <= 5 else f"{eps:.2g}"
