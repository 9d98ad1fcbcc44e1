"""Figures against the quality of a defence: clean accuracy, and accuracy under each threat."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.results.operating_point import operating_points
from reports.results.rows import as_rows, select
from reports.statistics.intervals import wilson
from reports.style.axes import flat_grid, new_figure, one, outer_labels, panel_title, shade
from reports.style.labels import Labels
from reports.style.style import line_styles


def clean_by_quality(rows: pd.DataFrame, defence: str, labels: Labels) -> Figure:
    """Draw clean accuracy against quality, one line per network (the paper's Figure 15b).

    rows: those of the defence, and of none.
    """
    figure, ((ax,),) = new_figure(8.4, 3.8)
    # the largest sample of each network: subsets are nested
    order = rows[["dataset", "network"]].drop_duplicates().itertuples(index=False, name=None)
    rows = rows.sort_values("n", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["dataset", "network", "defence", "quality"])
    own = select(rows, defence=defence)
    known = set(zip(own["dataset"], own["network"], strict=True))
    places = {labels.place(*pair): pair for pair in order if pair in known}
    bare = False
    for name, style in line_styles(places).items():
        where = dict(zip(("dataset", "network"), places[name], strict=True))
        line = select(own, **where).sort_values("quality")
        limits = wilson(line["clean_correct"].to_numpy(float), line["n"].to_numpy(float))
        x = line["quality"].astype(float)
        ax.plot(x, line["clean_accuracy"], label=name, **style)
        shade(ax, x, *limits, style["color"], 0.15)
        for share in select(rows, defence="none", **where)["clean_accuracy"].iloc[:1]:
            ax.axhline(share, color=style["color"], linewidth=1, linestyle=":")
            bare = True
    label = labels.defence(defence)
    ax.set(xlabel=f"{label} quality", ylabel="clean accuracy", xlim=(0, 100))
    figure.legend(loc="outside right center")
    dotted = "; dotted: without it" if bare else ""
    figure.suptitle(f"Clean accuracy behind {label} (95 % bands{dotted})")
    return figure


def threats_by_quality(rows: pd.DataFrame, defence: str, labels: Labels) -> Figure:
    """Draw accuracy against quality for each threat, at the eps of the run's summary.

    rows: of one attack, those of the defence and of none.
    """
    chosen = as_rows(operating_points(rows, labels.threats))
    own = select(rows, defence=defence)
    styles = line_styles(labels.threats.in_order(own["threat"]))
    columns = 2 if len(styles) > 2 else len(styles) + 1
    legend = 0.25 * -(-(len(styles) + 1) // columns)
    figure, axes = flat_grid(len(chosen), width=3.5, height=2.6, legend=legend)
    width = figure.get_figwidth() / min(len(chosen), 3)
    for ax, point in zip(axes, chosen, strict=True):
        panel = select(own, dataset=point["dataset"], network=point["network"])
        if point["eps"] is not None:
            panel = panel[panel["eps"] == point["eps"]]
        for threat, style in styles.items():
            line = panel[panel["threat"] == threat].sort_values("quality")
            x = line["quality"].astype(float)
            ax.plot(x, line["accuracy"], **style)
            shade(ax, x, line["accuracy_low"], line["accuracy_high"], style["color"])
        ax.axhline(point["undefended"], color="black", linestyle="--", linewidth=1)
        at = "" if point["eps"] is None else f", eps {point['eps']:.3g}"
        title = panel_title(f"{labels.place(point['dataset'], point['network'])}{at}", width)
        ax.set(title=title, xlim=(0, 100), ylim=(-0.02, 1.02))
    label = labels.defence(defence)
    outer_labels(axes, f"{label} quality", "accuracy under attack")
    handles = [Line2D([], [], **style) for style in styles.values()]
    handles.append(Line2D([], [], color="black", linestyle="--"))
    names = [*(f"{label}, {labels.threat(threat)} attacker" for threat in styles), "no defence"]
    figure.legend(handles, names, loc="outside lower center", ncols=columns)
    attack = labels.attack(one(rows, "attack"))
    known = "by what the attacker knows (95 % bands)"
    figure.suptitle(f"{attack}: accuracy behind {label}, {known}")
    return figure
