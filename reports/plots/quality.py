"""Figures against JPEG quality: clean accuracy, and accuracy under each threat."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results.operating_point import operating_points
from reports.results.rows import select
from reports.statistics.intervals import wilson
from reports.style.axes import flat_grid, jpeg_rows, new_figure, one, outer_labels, shade
from reports.style.labels import Labels
from reports.style.style import line_styles


def clean_by_quality(done: pd.DataFrame, labels: Labels) -> Figure:
    """Draw clean accuracy against JPEG quality, one line per network (the paper's Figure 15b)."""
    figure, ((ax,),) = new_figure(8.4, 3.8)
    # the largest sample of each network: subsets are nested
    rows = done.sort_values("n", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["dataset", "network", "defence", "quality"])
    jpeg = jpeg_rows(rows)
    known = set(zip(jpeg["dataset"], jpeg["network"], strict=True))
    order = done[["dataset", "network"]].drop_duplicates().itertuples(index=False, name=None)
    places = {labels.place(*pair): pair for pair in order if pair in known}
    for name, style in line_styles(places).items():
        where = dict(zip(("dataset", "network"), places[name], strict=True))
        line = select(jpeg, **where).sort_values("quality")
        limits = wilson(line["clean_correct"].to_numpy(float), line["n"].to_numpy(float))
        x = line["quality"].astype(float)
        ax.plot(x, line["clean_accuracy"], label=name, **style)
        shade(ax, x, *limits, style["color"], 0.15)
        for share in select(rows, defence="none", **where)["clean_accuracy"].iloc[:1]:
            ax.axhline(share, color=style["color"], linewidth=1, linestyle=":")
    ax.set(xlabel="JPEG quality", ylabel="clean accuracy", xlim=(0, 100))
    figure.legend(loc="outside right center")
    figure.suptitle("Clean accuracy behind JPEG (95 % bands; dotted: without JPEG)")
    return figure


def threats_by_quality(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw accuracy against quality for each threat, at the eps of the run's summary."""
    chosen = operating_points(rows, labels.threats)
    styles = line_styles(labels.threats.in_order(rows["threat"]))
    columns = 2 if len(styles) > 2 else len(styles) + 1
    legend = 0.25 * -(-(len(styles) + 1) // columns)
    figure, axes = flat_grid(len(chosen), width=3.5, height=2.6, legend=legend)
    for ax, point in zip(axes, chosen.to_dict("records"), strict=True):
        dataset, network = str(point["dataset"]), str(point["network"])
        panel = jpeg_rows(select(rows, dataset=dataset, network=network))
        if pd.notna(point["eps"]):
            panel = panel[panel["eps"] == point["eps"]]
        for threat, style in styles.items():
            line = panel[panel["threat"] == threat].sort_values("quality")
            x = line["quality"].astype(float)
            ax.plot(x, line["accuracy"], **style)
            shade(ax, x, line["accuracy_low"], line["accuracy_high"], style["color"])
        ax.axhline(point["undefended"], color="black", linestyle="--", linewidth=1)
        at = "" if pd.isna(point["eps"]) else f", eps {point['eps']:.3g}"
        ax.set(title=f"{labels.place(dataset, network)}{at}", xlim=(0, 100), ylim=(-0.02, 1.02))
    outer_labels(axes, "JPEG quality", "accuracy under attack")
    handles = [Line2D([], [], **style) for style in styles.values()]
    handles.append(Line2D([], [], color="black", linestyle="--"))
    names = [*(f"JPEG, {labels.threat(threat)} attacker" for threat in styles), "no defence"]
    figure.legend(handles, names, loc="outside lower center", ncols=columns)
    attack = labels.attack(one(rows, "attack"))
    figure.suptitle(f"{attack}: accuracy behind JPEG, by what the attacker knows (95 % bands)")
    return figure
