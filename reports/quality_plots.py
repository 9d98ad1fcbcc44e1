"""Figures against JPEG quality: what it costs without an attack and gives under one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.attackers import in_order
from reports.look import WONG
from reports.names import place
from reports.panels import grid, of, one


def clean_by_quality(done: pd.DataFrame) -> Figure:
    """Clean accuracy against JPEG quality, a line a network (the paper's Figure 15b)."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    ax = figure.subplots()
    # the largest sample of each network: subsets are nested
    rows = done.sort_values("n", ascending=False)
    rows = rows.drop_duplicates(["dataset", "network", "defence", "quality"])
    for colour, ((dataset, network), group) in zip(
        WONG, rows.groupby(["dataset", "network"], sort=False), strict=False
    ):
        jpeg = group[group["quality"].notna()].sort_values("quality")
        if jpeg.empty:
            continue
        label = place(str(dataset), str(network))
        ax.plot(
            jpeg["quality"].astype(float), jpeg["clean_accuracy"], color=colour, marker="o",
            markersize=3.5, label=label,
        )  # fmt: skip
        bare = group[group["defence"] == "none"]["clean_accuracy"]
        if len(bare):
            ax.axhline(bare.iloc[0], color=colour, linewidth=0.8, linestyle=":")
    ax.set(xlabel="JPEG quality", ylabel="clean accuracy", xlim=(0, 100))
    ax.legend(loc="lower right")
    ax.set_title("Clean accuracy behind JPEG (dotted: without)")
    return figure


def threats_by_quality(rows: pd.DataFrame) -> Figure:
    """Accuracy against quality for each attacker, at the eps of the run's summary."""
    from reports.summary import headline

    threats = in_order(rows["threat"])
    chosen = headline(rows)
    wide = min(3, len(chosen))
    figure, axes = grid(-(-len(chosen) // wide), wide, width=3.5, height=2.9, legend=0.6)
    flat = [ax for line in axes for ax in line]
    for ax, point in zip(flat, chosen.to_dict("records"), strict=False):
        dataset, network = str(point["dataset"]), str(point["network"])
        panel = of(rows, dataset=dataset, network=network)
        if pd.notna(point["eps"]):
            panel = panel[panel["eps"] == point["eps"]]
        for threat, colour in zip(threats, WONG, strict=False):
            line = panel[(panel["threat"] == threat) & panel["quality"].notna()]
            line = line.sort_values("quality")
            x = line["quality"].astype(float)
            ax.plot(x, line["accuracy"], color=colour, marker="o", markersize=3)
            ax.fill_between(
                x, line["accuracy_low"], line["accuracy_high"], color=colour, alpha=0.18,
                linewidth=0,
            )  # fmt: skip
        ax.axhline(point["undefended"], color="black", linestyle="--", linewidth=1)
        at = "" if pd.isna(point["eps"]) else f", eps {point['eps']:.3g}"
        ax.set(
            title=f"{place(dataset, network)}{at}", xlim=(0, 100), ylim=(-0.02, 1.02),
            xlabel="JPEG quality", ylabel="accuracy under attack",
        )  # fmt: skip
    for ax in flat[len(chosen) :]:
        ax.set_visible(False)
    handles = [
        Line2D([], [], color=c, marker="o", markersize=3)
        for c, _ in zip(WONG, threats, strict=False)
    ]
    handles.append(Line2D([], [], color="black", linestyle="--"))
    labels = [*(f"JPEG, {threat} attacker" for threat in threats), "no defence"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle(f"What JPEG gives against either attacker: {one(rows, 'attack')}")
    return figure
