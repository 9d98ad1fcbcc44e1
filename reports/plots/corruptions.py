"""Figures of errors under corruptions: one panel per kind, against the severity."""

from __future__ import annotations

from functools import partial

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.corruptions.errors import FAMILY, kind_of, severity_of
from reports.plots.saving import Drawings
from reports.results.rows import as_rows
from reports.style.axes import flat_grid, outer_labels, sample_size, shade
from reports.style.file_names import file_name
from reports.style.labels import Labels
from reports.style.style import line_styles


def corruption_figures(done: pd.DataFrame, labels: Labels) -> Drawings:
    """Yield one figure per data set that has a corruption at several severities: name, drawing."""
    rows = done.assign(kind=[kind_of(attack) for attack in done["attack"]])
    rows = rows[rows["kind"] != ""]
    rows = rows.assign(severity=[severity_of(text) for text in rows["attack_params"]])
    place = ["network", "defence", "quality"]
    for dataset, group in rows.groupby("dataset", sort=False):
        # the same under every threat; the largest sample, since subsets are nested
        group = group.sort_values("n", ascending=False, kind="stable")
        group = group.drop_duplicates([*place, "kind", "severity"]).sort_index()
        if group.groupby("kind")["severity"].nunique().max() > 1:
            name = file_name("corruptions", str(dataset))
            yield name, partial(_drawn, group, str(dataset), labels)


def _drawn(rows: pd.DataFrame, dataset: str, labels: Labels) -> Figure:
    names = [
        labels.network(str(row["network"]))
        + ("" if row["defence"] == "none" else f", {labels.behind(row)}")
        for row in as_rows(rows[["network", "defence", "quality"]])
    ]
    styles = line_styles(dict.fromkeys(names))
    kinds = list(dict.fromkeys(rows["kind"]))
    legend = 0.25 * -(-len(styles) // 2)
    figure, axes = flat_grid(len(kinds), width=3.2, height=1.9, legend=legend, sharey=True)
    named = rows.assign(name=names)
    for ax, kind in zip(axes, kinds, strict=True):
        panel = named[named["kind"] == kind]
        for name, style in styles.items():
            line = panel[panel["name"] == name].sort_values("severity")
            ax.plot(line["severity"], 1 - line["accuracy"], **style)
            limits = 1 - line["accuracy_high"], 1 - line["accuracy_low"]
            shade(ax, line["severity"], *limits, style["color"], 0.15)
            for share in line["clean_accuracy"].iloc[:1]:
                ax.axhline(1 - share, color=style["color"], linewidth=1, linestyle=":")
        label = labels.attack(f"{FAMILY}{kind}").removeprefix(FAMILY)
        ax.set(title=label, xticks=range(1, 6), ylim=(-0.02, 1.02))
    outer_labels(axes, "severity", "error")
    handles = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles, list(styles), loc="outside lower center", ncols=2)
    figure.suptitle(f"{labels.dataset(dataset)}: error under corruptions{sample_size(rows)}")
    return figure
