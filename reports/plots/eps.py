"""Figures against eps: accuracy as lines and as heat maps, success of the attacks."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results.rows import select
from reports.statistics.intervals import wilson
from reports.style.axes import (
    defences,
    eps_label,
    few_ticks,
    flat_grid,
    grid,
    networks_and_threats,
    one,
    outer_labels,
    sample_size,
)
from reports.style.labels import Labels
from reports.style.style import line_styles


def accuracy_by_eps(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy against eps, one line per defence; panels: rows by network, columns by threat.

    The paper's Figures 11 and 15a, for every threat.
    """
    networks, threats = networks_and_threats(rows, labels)
    figure, axes = grid(len(networks), len(threats), width=4.1, height=2.7, legend=1.5)
    lines = defences(rows, labels)
    dataset = one(rows, "dataset")
    for r, network in enumerate(networks):
        first = True
        for c, threat in enumerate(threats):
            ax, panel = axes[r][c], select(rows, network=network, threat=threat)
            ax.set_visible(not panel.empty)
            if panel.empty:
                continue
            for label, (style, chosen) in lines.items():
                line = panel[chosen.reindex(panel.index)].sort_values("eps")
                ax.plot(line["eps"], line["accuracy"], **style, label=label)
            ax.set(ylim=(-0.02, 1.02), title=f"{labels.network(network)}: {labels.threat(threat)}")
            few_ticks(ax)
            ax.tick_params(labelleft=first)
            if first:
                ax.set_ylabel("accuracy under attack")
            first = False
            if r == len(networks) - 1:
                ax.set_xlabel(eps_label(rows))
    handles = [Line2D([], [], **style) for style, _ in lines.values()]
    figure.legend(handles, list(lines), title="defence", loc="outside right center")
    subject = f"{labels.dataset(dataset)}, {labels.attack(one(rows, 'attack'))}"
    figure.suptitle(f"{subject}: accuracy behind JPEG against eps{sample_size(rows)}")
    return figure


def heat_map(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy by eps (columns) and quality (rows, none and quantize on top).

    Panels as in `accuracy_by_eps`.
    """
    networks, threats = networks_and_threats(rows, labels)
    order = list(defences(rows, labels))
    height = 1.4 + 0.19 * len(order)
    figure, axes = grid(len(networks), len(threats), width=4.6, height=height, legend=0.5)
    pairs = zip(rows["defence"], rows["quality"], strict=True)
    shown = rows.assign(
        row=[labels.defence(d, q) for d, q in pairs], percent=100 * rows["accuracy"]
    )
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
            panel = select(shown, network=network, threat=threat)
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
                title=f"{labels.network(network)}: {labels.threat(threat)}",
                xlabel=eps_label(rows) if last else "",
                ylabel="defence (JPEG quality)" if c == 0 else "",
            )
    subject = f"{labels.dataset(one(rows, 'dataset'))}, {labels.attack(one(rows, 'attack'))}"
    figure.suptitle(f"{subject}: accuracy by eps and quality{sample_size(rows)}")
    return figure


def success_by_eps(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw success against eps on the undefended networks, one line per attack, 95 % bands."""
    bare = select(rows, defence="none", threat=labels.threats.in_order(rows["threat"])[0])
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
        ax.set(title=labels.place(str(dataset), str(network)), ylim=(-0.02, 1.02))
        few_ticks(ax)
    outer_labels(axes, eps_label(rows), "attack success rate")
    handles = [Line2D([], [], **style) for style in styles.values()]
    names = [labels.attack(attack) for attack in attacks]
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(attacks)))
    figure.suptitle("Attack success without a defence, of the images that were right (95 % bands)")
    return figure


def _short(eps: float) -> str:
    """Return an eps for the axis: three digits if they take at most five characters."""
    text = f"{eps:.3g}"
    return text if len(text) <= 5 else f"{eps:.2g}"
