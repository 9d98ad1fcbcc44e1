"""Accuracy as bars with their intervals: where there is no eps, or only one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.results.norms import NO_NORM
from reports.results.rows import Row, as_rows
from reports.style.axes import new_figure, one, outer_labels, panel_title, sample_size
from reports.style.defence_lines import defence_lines
from reports.style.labels import Labels
from reports.style.numbers import budget
from reports.style.shortened import shortened
from reports.style.style import WIDEST, WONG, Style

# inches of a bar with the room around it, and of what else a panel has
_BAR, _MARGIN = 0.24, 0.95
_BARE = "#777777"


def accuracy_by_defence(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the accuracy behind each defence, a bar per threat; one panel per network.

    rows: of one data set and attack, at one eps for each network.
    """
    lines = defence_lines(rows, labels)
    own = rows.assign(group="", hue=[_hue(row, labels) for row in as_rows(rows)])
    for line in lines:
        own.loc[line.chosen, "group"] = line.label
    dataset, attack = one(rows, "dataset"), one(rows, "attack")

    def title(network: str, panel: pd.DataFrame) -> str:
        return f"{shortened(labels.network(network), 40)}{_budget(as_rows(panel)[0])}"

    text = f"{labels.dataset(dataset)}, {labels.attack(attack)}: accuracy behind each defence"
    if len(lines) == 1:
        text = f"{labels.dataset(dataset)}, {labels.attack(attack)}: accuracy"
    return _drawn(own, [line.label for line in lines], title, f"{text}{sample_size(rows)}")


def accuracy_by_attack(rows: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the accuracy under each attack, one panel per network.

    rows: of one data set, behind one defence or none, each attack at one eps.
    """
    listed = as_rows(rows)
    groups = [f"{labels.attack(row['attack'])}{_budget(row)}" for row in listed]
    own = rows.assign(group=groups, hue=[_hue(row, labels) for row in listed])
    behind = labels.behind(listed[0])
    dataset = labels.dataset(one(rows, "dataset"))
    where = "without a defence" if listed[0]["defence"] == "none" else f"behind {behind}"
    text = f"{dataset}: accuracy under {_what(rows)}, {where}{sample_size(rows)}"

    def title(network: str, panel: pd.DataFrame) -> str:
        return shortened(labels.network(network), 40)

    return _drawn(own, list(dict.fromkeys(groups)), title, text)


def _drawn(
    rows: pd.DataFrame, groups: list[str], title: Callable[[str, pd.DataFrame], str], text: str
) -> Figure:
    """Draw bars by `group` and `hue`; those without a hue are grey."""
    # the largest sample: subsets are nested; one bar for attackers who attack the same thing
    rows = rows.sort_values("n", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["network", "group", "hue"]).sort_index()
    networks = list(dict.fromkeys(rows["network"]))
    hues = [hue for hue in dict.fromkeys(rows["hue"]) if hue]
    colours = {"": _BARE, **{hue: WONG[n % len(WONG)] for n, hue in enumerate(hues)}}
    bars = max(rows.groupby("network").size())
    columns = min(len(networks), 2)
    lines = -(-len(networks) // columns)
    height = lines * (_MARGIN + _BAR * bars) + 0.4 + 0.3 * bool(hues)
    width = WIDEST if columns > 1 else 7.2
    figure, grid = new_figure(width, min(height, 30), lines, columns)
    axes = list(grid.flat)
    for ax in axes[len(networks) :]:
        ax.remove()
    axes = axes[: len(networks)]
    for ax, network in zip(axes, networks, strict=True):
        panel = rows[rows["network"] == network]
        _panel(ax, panel, groups, colours)
        ax.set_title(panel_title(title(str(network), panel), width / columns))
    outer_labels(axes, f"accuracy under {_what(rows)}", "")
    handles: list[Patch | Line2D] = [Patch(color=colours[hue], label=hue) for hue in hues]
    handles.append(Line2D([], [], color="black", marker="|", markersize=9, markeredgewidth=1.6,
                          linestyle="", label=f"without {_what(rows)}"))  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
    figure.suptitle(text)
    return figure


def _panel(ax: Axes, panel: pd.DataFrame, groups: list[str], colours: dict[str, str]) -> None:
    """Draw the bars of one network, the first group on top."""
    at, ticks = 0.0, {}
    for group in groups:
        own = panel[panel["group"] == group]
        if own.empty:
            continue
        places = at + np.arange(len(own))
        share = own["accuracy"].to_numpy(float)
        reach = [share - own["accuracy_low"], own["accuracy_high"] - share]
        look: Style = {"height": 0.82, "color": [colours[hue] for hue in own["hue"]], "alpha": 0.85}
        ax.barh(places, share, xerr=np.clip(np.array(reach, float), 0, None).tolist(), **look,
                error_kw={"linewidth": 1, "ecolor": "#333333"})  # fmt: skip
        ax.plot(own["clean_accuracy"].to_numpy(float), places, color="black", linestyle="",
                marker="|", markersize=9, markeredgewidth=1.6, zorder=4, clip_on=False)  # fmt: skip
        for place, value in zip(places, share, strict=True):
            ax.annotate(f"{100 * value:.1f} %", (1.03, place), xycoords=ax.get_yaxis_transform(),
                        va="center", fontsize=8, annotation_clip=False)  # fmt: skip
        ticks[group] = float(places.mean())
        at = float(places[-1]) + 1.45
    ax.set(xlim=(0, 1), ylim=(at - 0.9, -0.6))
    ax.set_yticks(list(ticks.values()), [shortened(name, 34) for name in ticks])
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)


def _what(rows: pd.DataFrame) -> str:
    """Return what changes the images."""
    return "corruption" if (rows["norm"] == NO_NORM).all() else "attack"


def _hue(row: Row, labels: Labels) -> str:
    """Return the attacker of a row, empty for the one who attacks the bare network itself."""
    threats = labels.threats
    bare = row["defence"] == "none" and not threats.crafted_elsewhere(row["threat"])
    if bare or row["norm"] == NO_NORM:
        return ""
    return f"{labels.threat(row['threat'])} attacker"


def _budget(row: Row) -> str:
    return "" if row["eps"] is None else f", {budget(row['norm'], row['eps'])}"
