"""From a results table to figures; each is written as PNG and nothing is shown on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.attackers import in_order
from reports.names import file_name, place
from reports.threat_plots import transfer_figures

DPI = 130
# Wong's palette (Nature Methods 2011) keeps apart for every common kind of colour blindness
WONG = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
NORM_LABEL = {"inf": "eps ($L_\\infty$, pixels in [0, 1])", "2": "eps ($L_2$, pixels in [0, 1])"}
STYLE = {
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.edgecolor": "#777777",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 12,
}


def draw_all(table: pd.DataFrame, directory: Path) -> list[Path]:
    """Every figure that a results table has the rows for, as PNG files in a directory."""
    done = table[table["status"] == "ok"].copy()
    if done.empty:
        return []
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    with sns.axes_style("whitegrid", rc=STYLE), sns.plotting_context("paper", rc=STYLE):
        for name, figure in _figures(done):
            path = directory / f"{name}.png"
            figure.savefig(path, dpi=DPI)
            written.append(path)
    return written


def draw_training(history: pd.DataFrame, title: str, path: Path) -> None:
    """Accuracy and loss of training and test by epoch (the paper's Figures 26 to 28)."""
    with sns.axes_style("whitegrid", rc=STYLE), sns.plotting_context("paper", rc=STYLE):
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        for ax, measure, label in zip(
            figure.subplots(1, 2), ("accuracy", "loss"), ("accuracy", "loss (cross entropy)"),
            strict=True,
        ):  # fmt: skip
            for split, colour in (("train", WONG[0]), ("test", WONG[1])):
                ax.plot(history["epoch"], history[f"{split}_{measure}"], color=colour, label=split)
            ax.set(xlabel="epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend()
        figure.suptitle(title)
        figure.savefig(path, dpi=DPI)


def _figures(done: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    bounded = done[done["eps"].notna()]
    for (dataset, attack), rows in bounded.groupby(["dataset", "attack"], sort=False):
        if rows["eps"].nunique() > 1:
            name = (str(dataset), str(attack))
            yield file_name("accuracy", *name), accuracy_by_eps(rows)
            if rows["quality"].nunique() > 1:
                yield file_name("heatmap", *name), heat_map(rows)
    qualities = done[done["quality"].notna()]
    if qualities["quality"].nunique() > 1:
        yield "clean-accuracy-quality", clean_by_quality(done)
        for attack, rows in done.groupby("attack", sort=False):
            if rows["threat"].nunique() > 1 and rows["quality"].nunique() > 1:
                yield file_name("threats", str(attack)), threats_by_quality(rows)
    yield from transfer_figures(done)
    for norm, rows in bounded.groupby("norm", sort=False):
        if rows["eps"].nunique() > 1:
            yield file_name("success-norm", str(norm)), success_by_eps(rows)


def accuracy_by_eps(rows: pd.DataFrame) -> Figure:
    """Accuracy against eps, one line a defence; rows of panels by network, columns by threat.

    The paper's Figures 11 and 15a, for both attackers.
    """
    networks, threats = _panels(rows)
    figure, axes = _grid(len(networks), len(threats), width=4.1, height=3.1, legend=1.5)
    defences = _defences(rows)
    for r, network in enumerate(networks):
        for c, threat in enumerate(threats):
            ax, panel = axes[r][c], _of(rows, network=network, threat=threat)
            ax.set_visible(not panel.empty)
            for label, (style, chosen) in defences.items():
                line = panel[chosen.reindex(panel.index)].sort_values("eps")
                ax.plot(line["eps"], line["accuracy"], **style, label=label)
            ax.set(ylim=(-0.02, 1.02), title=f"{place(_one(rows, 'dataset'), network)}: {threat}")
            if r == len(networks) - 1:
                ax.set_xlabel(_eps_label(rows))
            if c == 0:
                ax.set_ylabel("accuracy under attack")
    handles = [Line2D([], [], **style) for style, _ in defences.values()]
    figure.legend(handles, list(defences), title="defence", loc="outside right upper")
    figure.suptitle(f"Accuracy behind JPEG against eps: {_one(rows, 'attack')}{_size(rows)}")
    return figure


def heat_map(rows: pd.DataFrame) -> Figure:
    """Accuracy by eps (columns) and quality (rows), none and quantize above; panels as before."""
    networks, threats = _panels(rows)
    figure, axes = _grid(len(networks), len(threats), width=4.6, height=3.7, legend=0.5)
    shown = rows.assign(row=[_label(d, q) for d, q in zip(
        rows["defence"], rows["quality"], strict=True)])  # fmt: skip
    order = list(_defences(rows))
    bar = figure.colorbar(
        _mappable(), ax=[ax for line in axes for ax in line], shrink=0.7, label="accuracy"
    )
    bar.outline.set_visible(False)
    for r, network in enumerate(networks):
        for c, threat in enumerate(threats):
            ax = axes[r][c]
            panel = _of(shown, network=network, threat=threat)
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
                title=f"{place(_one(panel, 'dataset'), network)}: {threat}",
                xlabel=_eps_label(rows) if last else "",
                ylabel="defence (JPEG quality)" if c == 0 else "",
            )
    figure.suptitle(f"Accuracy by eps and quality: {_one(rows, 'attack')}{_size(rows)}")
    return figure


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
    figure, axes = _grid(-(-len(chosen) // wide), wide, width=3.5, height=2.9, legend=0.6)
    flat = [ax for line in axes for ax in line]
    for ax, point in zip(flat, chosen.to_dict("records"), strict=False):
        dataset, network = str(point["dataset"]), str(point["network"])
        panel = _of(rows, dataset=dataset, network=network)
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
    figure.suptitle(f"What JPEG gives against either attacker: {_one(rows, 'attack')}")
    return figure


def success_by_eps(rows: pd.DataFrame) -> Figure:
    """Success rate against eps on the undefended networks, one line an attack."""
    bare = _of(rows, defence="none", threat=in_order(rows["threat"])[0])
    pairs = list(bare.groupby(["dataset", "network"], sort=False))
    wide = min(3, max(1, len(pairs)))
    figure, axes = _grid(-(-len(pairs) // wide), wide, width=3.5, height=2.9, legend=0.6)
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
            xlabel=_eps_label(rows), ylabel="attack success rate",
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


def _grid(
    rows: int, columns: int, width: float, height: float, legend: float
) -> tuple[Figure, list[list[Axes]]]:
    # wide enough for the figure's title and legend, however few panels there are
    size = (max(columns * width + legend, 6.6), rows * height + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(line) for line in axes]


def _panels(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    networks = list(dict.fromkeys(rows["network"]))
    return networks, in_order(rows["threat"])


def _defences(rows: pd.DataFrame) -> dict[str, tuple[dict[str, Any], pd.Series[bool]]]:
    """Label, line style and rows of each defence: none, quantize, others, JPEG by quality."""
    found: dict[str, tuple[dict[str, Any], pd.Series[bool]]] = {}
    plain = [d for d in dict.fromkeys(rows["defence"]) if not d.startswith("jpeg")]
    greys = {"none": ("black", "-"), "quantize": ("#777777", "--")}
    for n, defence in enumerate(plain):
        colour, dash = greys.get(defence, (WONG[n % len(WONG)], ":"))
        style = {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}
        found[_label(defence, None)] = (style, rows["defence"] == defence)
    jpeg = rows[rows["quality"].notna()]
    pairs = sorted({(int(q), d) for q, d in zip(jpeg["quality"], jpeg["defence"], strict=True)})
    colours = sns.color_palette("viridis", len(pairs))
    for (quality, defence), colour in reversed(list(zip(pairs, colours, strict=True))):
        style = {"color": colour, "linestyle": "-", "linewidth": 1.2}
        chosen = (rows["defence"] == defence) & (rows["quality"] == quality).fillna(False)
        found[_label(defence, quality)] = (style, chosen.astype(bool))
    return found


def _label(defence: str, quality: Any) -> str:
    if quality is None or pd.isna(quality):
        return {"quantize": "8 bits only"}.get(defence, defence.rpartition(".")[2] or defence)
    return f"JPEG {quality}"


def _of(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def _one(rows: pd.DataFrame, column: str) -> str:
    return str(rows[column].iloc[0])


def _size(rows: pd.DataFrame) -> str:
    sizes = sorted({int(n) for n in rows["n"]})
    return f" ({sizes[0]:,} images)" if len(sizes) == 1 else ""


def _eps_label(rows: pd.DataFrame) -> str:
    norm = _one(rows, "norm")
    return NORM_LABEL.get(norm, f"eps (norm {norm})")


def _mappable() -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(norm=Normalize(0, 1), cmap="cividis")
