"""Figures against eps: accuracy as lines and as heat maps, success of the attacks."""

from __future__ import annotations

from itertools import product

import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results.rows import select
from reports.statistics.intervals import wilson
from reports.style import axes as parts
from reports.style.axes import eps_label, few_ticks, sample_size, shade
from reports.style.defence_lines import defence_lines, line_end, name_ends, with_few_qualities
from reports.style.labels import Labels
from reports.style.shortened import shortened
from reports.style.style import line_styles


def accuracy_by_eps(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy against eps, one line per defence; panels: rows by network, columns by threat.

    The paper's Figures 11 and 15a, for every threat. Of many qualities a few are drawn.
    """
    rows = with_few_qualities(rows)
    networks, threats = parts.networks_and_threats(rows, labels)
    figure, axes = parts.grid(len(networks), len(threats), width=4.1, height=2.7, legend=0.8)
    lines = defence_lines(rows, labels)
    for r, network in enumerate(networks):
        first = True
        for ax, threat in zip(axes[r], threats, strict=True):
            panel = select(rows, network=network, threat=threat)
            ax.set_visible(not panel.empty)
            if panel.empty:
                continue
            ends = []
            for line in lines:
                points = panel[line.chosen.reindex(panel.index)].sort_values("eps")
                if points.empty:
                    continue
                # a lone point is no line
                marker = "o" if len(points) == 1 else ""
                ax.plot(points["eps"], points["accuracy"], **line.style, marker=marker)
                ends.append(line_end(line.label, line.style, points["eps"], points["accuracy"]))
            title = _panel(network, threat, labels)
            ax.set(
                ylim=(-0.02, 1.02), title=parts.panel_title(title, 3.0 if len(threats) > 2 else 3.6)
            )
            name_ends(ax, ends, 24 if len(threats) < 3 else 16)
            few_ticks(ax)
            ax.tick_params(labelleft=first)
            ax.set_ylabel("accuracy under attack" if first else "")
            ax.set_xlabel(eps_label(rows) if r == len(networks) - 1 else "")
            first = False
    figure.suptitle(f"{_subject(rows, labels)}: accuracy against eps{sample_size(rows)}")
    return figure


def heat_map(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy by eps (columns) and defence (rows, none and 8 bits on top).

    Panels as in `accuracy_by_eps`.
    """
    networks, threats = parts.networks_and_threats(rows, labels)
    lines = defence_lines(rows, labels)
    order = [shortened(line.label, 24) for line in lines]
    if len(set(order)) < len(order):
        order = [line.label for line in lines]
    height = 1.4 + 0.19 * len(order)
    figure, axes = parts.grid(len(networks), len(threats), width=4.6, height=height, legend=0.5)
    shown = rows.assign(row="", percent=100 * rows["accuracy"])
    for line, name in zip(lines, order, strict=True):
        shown.loc[line.chosen, "row"] = name
    every = [ax for line in axes for ax in line]
    scale = ScalarMappable(norm=Normalize(0, 100), cmap="cividis")
    bar = figure.colorbar(scale, ax=every, shrink=0.7, aspect=30, label="accuracy (%)")
    bar.outline.set_visible(False)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 100, "linewidths": 0.4, "linecolor": "white"}
    places = product(enumerate(networks), enumerate(threats))
    for ax, ((r, network), (c, threat)) in zip(every, places, strict=True):
        panel = select(shown, network=network, threat=threat)
        ax.set_visible(not panel.empty)
        if panel.empty:
            continue
        values = panel.pivot_table("percent", "row", "eps", sort=True).reindex(order)
        few = values.shape[1] * len(threats) <= 40
        numbers = {"annot": few, "fmt": ".0f", "annot_kws": {"fontsize": 7}}
        ticks = {"xticklabels": [_short(float(e)) for e in values.columns], "yticklabels": c == 0}
        sns.heatmap(values, ax=ax, cbar=False, **look, **numbers, **ticks)
        ax.tick_params(axis="x", rotation=60, labelsize=8)
        ax.tick_params(axis="y", rotation=0, labelsize=8)
        title = _panel(network, threat, labels)
        ax.set_title(parts.panel_title(title, 2.8 if len(threats) > 2 else 4.0))
        ax.set_xlabel(eps_label(rows) if r == len(networks) - 1 else "")
        ax.set_ylabel("")
    subject = _subject(rows, labels)
    figure.suptitle(f"{subject}: accuracy by eps and defence{sample_size(rows)}")
    return figure


def success_by_eps(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw success against eps on the undefended networks, one line per attack, 95 % bands.

    rows: of one norm, some without a defence.
    """
    bare = select(rows, defence="none")
    bare = select(bare, threat=labels.threats.in_order(bare["threat"])[0])
    pairs = list(bare.groupby(["dataset", "network"], sort=False))
    attacks = [str(attack) for attack in dict.fromkeys(bare["attack"])]
    legend = 0.25 * -(-len(attacks) // 3)
    figure, axes = parts.flat_grid(len(pairs), width=3.5, height=2.6, legend=legend)
    styles = line_styles(attacks)
    if "noise" in styles:
        styles["noise"]["linestyle"] = ":"
    for ax, ((dataset, network), panel) in zip(axes, pairs, strict=True):
        for attack, line in panel.groupby("attack", sort=False):
            line = line.sort_values("eps")
            style = styles[f"{attack}"]
            ax.plot(line["eps"], line["success_rate"], **style)
            turned = (line["success_rate"] * line["clean_correct"]).round()
            limits = wilson(turned.to_numpy(float), line["clean_correct"].to_numpy(float))
            shade(ax, line["eps"], *limits, style["color"], 0.15)
        title = parts.panel_title(labels.place(str(dataset), str(network)), 3.2)
        ax.set(title=title, ylim=(-0.02, 1.02))
        few_ticks(ax)
    parts.outer_labels(axes, eps_label(rows), "attack success rate")
    handles = [Line2D([], [], **style) for style in styles.values()]
    names = [labels.attack(attack) for attack in attacks]
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(attacks)))
    figure.suptitle("Attack success without a defence, of the images that were right (95 % bands)")
    return figure


def _panel(network: str, threat: str, labels: Labels) -> str:
    return f"{shortened(labels.network(network), 24)}: {labels.threat(threat)} attacker"


def _subject(rows: pd.DataFrame, labels: Labels) -> str:
    dataset, attack = (parts.one(rows, name) for name in ("dataset", "attack"))
    return f"{labels.dataset(dataset)}, {labels.attack(attack)}"


def _short(eps: float) -> str:
    """Return an eps for the axis: three digits if they take at most five characters."""
    text = f"{eps:.3g}"
    return text if len(text) <= 5 else f"{eps:.2g}"
