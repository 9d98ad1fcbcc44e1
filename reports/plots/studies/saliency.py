"""Figures 20 to 25: saliency and Grad-CAM of clean and attacked images, and the noise on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.plots.saving import Figures, saved
from reports.plots.studies import drawing
from reports.plots.studies.drawing import QUARTILES, largest, show_image, show_noise, table_of
from reports.results.csv_file import read_table
from reports.results.predictions import Array
from reports.results.rows import Row, as_rows
from reports.style.axes import legend_below, new_figure, outer_labels
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import WIDEST, WONG

ATTACKS = ("fgsm", "fgm", "cw")
METHODS = {"saliency": "saliency", "gradcam": "Grad-CAM"}
MEASURES = {
    "noise_on_salient": "this image's map",
    "same_class": "another image of the class",
    "other_image": "other images",
}
SHIFTS = {"spearman": "rank correlation of the maps", "overlap": "overlap of the top 10 %"}
CHANCE = 0.1


@saved
def draw(folder: Path) -> Figures:
    """Draw sheets of maps per network, how far the maps move, and where the noise falls."""
    labels, arrays = read_labels(folder).for_figures(), drawing.arrays_of(folder)
    examples = read_table(folder / "examples.csv", "table", ("class", "clean", *ATTACKS))
    for dataset, network, rows in drawing.by_subject(examples):
        images = as_rows(rows)
        yield file_name("attacks", dataset, network), _by_attack(arrays, images[0], labels)
        yield file_name("images", dataset, network), _by_image(arrays, images, labels)
    movement = table_of(folder, "movement")
    true_class = movement[movement["score"] == "true"]
    for measure, label in SHIFTS.items():
        yield f"moved-{measure}", _moved(true_class, measure, label, labels)
    yield "noise-on-salient", _fallen(table_of(folder, "summary"), labels)


def _stem(row: Row) -> str:
    return f"{row['dataset']}/{row['network']}/{row['position']}"


def _top(arrays: dict[str, Array], stem: str, method: str, names: list[str]) -> float:
    """Return the upper end of the scale that the maps of one image share."""
    highest = max(float(np.quantile(arrays[f"{stem}/{n}/{method}"], 0.995)) for n in names)
    return highest or 1.0


def _by_attack(arrays: dict[str, Array], row: Row, labels: Labels) -> Figure:
    """Draw one image, clean and under each attack: image, noise, saliency, Grad-CAM.

    Each noise has its own scale: the figure shows where it falls and not how large it is.
    """
    stem, names = _stem(row), ["clean", *ATTACKS]
    figure, axes = new_figure(6.4, 7.6, len(names), 4)
    for line, name in zip(axes, names, strict=True):
        image = arrays[f"{stem}/image"]
        if name == "clean":
            show_image(line[0], image, f"clean, read as {row['clean']}")
            line[1].set_visible(False)
        else:
            noise = arrays[f"{stem}/{name}/noise"]
            image = image + noise
            show_image(line[0], image, f"{labels.attack(name)}, read as {row[name]}")
            limit = largest(noise) or 1.0
            size = float(np.linalg.norm(noise))
            show_noise(line[1], noise, limit, f"noise to ±{limit:.2g}, $L_2$ {size:.2g}")
        _maps(line[2:], arrays, (stem, name), image, names)
    where = labels.place(row["dataset"], row["network"])
    figure.suptitle(
        f"{where}, test image {row['id']}\nmaps for the score of {row['class']}\n"
        "each kind of map on one scale, each noise on its own"
    )
    return figure


def _by_image(arrays: dict[str, Array], rows: list[Row], labels: Labels) -> Figure:
    """Draw one row per image: clean, FGSM's noise, attacked, and both maps before and after."""
    figure, axes = new_figure(9.6, 1.5 * len(rows) + 0.7, len(rows), 7)
    noises = [arrays[f"{_stem(row)}/fgsm/noise"] for row in rows]
    limit = max(map(largest, noises))
    names = ["clean", "fgsm"]
    for line, row, noise in zip(axes, rows, noises, strict=True):
        stem = _stem(row)
        image = arrays[f"{stem}/image"]
        show_image(line[0], image, f"{row['class']}")
        show_noise(line[1], noise, limit, "FGSM noise")
        show_image(line[2], image + noise, f"read as {row['fgsm']}")
        _maps(line[[3, 5]], arrays, (stem, "clean"), image, names, ", clean")
        _maps(line[[4, 6]], arrays, (stem, "fgsm"), image + noise, names, ", attacked")
    where = labels.place(rows[0]["dataset"], rows[0]["network"])
    figure.suptitle(
        f"{where}: maps for the true class, clean and under FGSM\n"
        f"noise from -{limit:.2g} to {limit:.2g}; both maps of a kind of one image on one scale"
    )
    return figure


def _maps(
    axes: Sequence[Axes],
    arrays: dict[str, Array],
    at: tuple[str, str],
    image: Array,
    names: list[str],
    which: str = "",
) -> None:
    """Draw saliency alone and Grad-CAM over the image, on the scales of the same image's maps.

    at: stem of the image's arrays, and `clean` or the attack. names: all maps on the same scale.
    """
    stem, name = at
    grey = drawing.picture(image)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    drawing.show_map(axes[1], grey, "gray", (0, 1))
    for ax, (method, title), alpha in zip(axes, METHODS.items(), (None, 0.55), strict=True):
        limits = 0, _top(arrays, stem, method, names)
        values = arrays[f"{stem}/{name}/{method}"]
        drawing.show_map(ax, values, "inferno", limits, f"{title}{which}", alpha=alpha)


def _moved(table: pd.DataFrame, measure: str, label: str, labels: Labels) -> Figure:
    names = {a: labels.attack(a).replace(" ", "\n") for a in ("noise", *ATTACKS)}
    figure, axes, subjects = drawing.panels(table, labels, legend=0.25)
    for ax, rows in subjects:
        shown = rows.assign(name=rows["attack"].map(names), map=rows["method"].map(METHODS))
        shown = shown.dropna(subset=["name", "map"])
        order = [name for name in names.values() if name in set(shown["name"])]
        shown = shown.sort_values("name", key=lambda column: column.map(order.index), kind="stable")
        drawing.grouped_boxes(ax, shown, "name", measure, "map")
        if measure == "overlap":
            ax.axhline(CHANCE, color="#777777", ls=":", lw=1)
        ax.set_ylim(min(0, float(table[measure].min())) - 0.05, 1.05)
    outer_labels(axes, "", label)
    legend_below(figure, axes[0])
    more = "; dotted: by chance" if measure == "overlap" else ""
    title = "Maps of the true class, clean against attacked"
    figure.suptitle(f"{title}\n({QUARTILES} of the images{more})")
    return figure


def _fallen(table: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the noise's energy in the image's own top 10 % and in the controls', with intervals."""
    rows = table[table["measure"].isin(list(MEASURES))]
    groups = list(drawing.by_subject(rows))
    figure, axes = new_figure(WIDEST, 5.2, 2, len(groups), sharey=True, sharex=True)
    # too few images have no interval
    highest = float(rows[["mean", "high"]].max().max())
    top = 1.05 * highest if highest > 0 else 1.0
    for column, (dataset, network, part) in enumerate(groups):
        for ax, (method, called) in zip(axes[:, column], METHODS.items(), strict=True):
            for step, (measure, label) in enumerate(MEASURES.items()):
                chosen = part[(part["method"] == method) & (part["measure"] == measure)]
                points = chosen.set_index("attack").reindex(list(ATTACKS)).astype({"mean": float})
                error = [points["mean"] - points["low"], points["high"] - points["mean"]]
                at = np.arange(len(ATTACKS)) + 0.2 * (step - 1)
                look = {"fmt": "os^"[step], "ms": 4, "capsize": 2, "color": WONG[(1, 2, 6)[step]]}
                ax.errorbar(at, points["mean"], yerr=np.stack(error).tolist(), label=label, **look)
            ax.axhline(CHANCE, color="#777777", ls=":", lw=1)
            ax.set_xticks(range(len(ATTACKS)), [labels.attack(attack) for attack in ATTACKS])
            ax.set_ylim(0, top)
            if column == 0:
                ax.set_ylabel(f"noise energy in the top 10 %\nof {called}")
        axes[0, column].set_title(labels.place(dataset, network))
    handles, names = axes[0, 0].get_legend_handles_labels()
    handles, names = [Line2D([], [], linestyle="none"), *handles], ["top 10 % of:", *names]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.suptitle("Where the noise falls: mean over images with 95 % interval; dotted: by chance")
    return figure
