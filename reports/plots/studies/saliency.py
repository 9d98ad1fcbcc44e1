"""Figures 20 to 25: saliency and Grad-CAM of clean and attacked images, and the noise on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.plots.studies.boxes import panels
from reports.plots.studies.drawing import (
    arrays_of,
    bare,
    grouped_boxes,
    picture,
    save,
    show_image,
    show_noise,
    table_of,
)
from reports.results.predictions import Array
from reports.results.rows import Row, as_rows
from reports.style.axes import outer_labels
from reports.style.labels import Labels, read_labels
from reports.style.style import WIDEST, WONG, styled

ATTACKS = ("fgsm", "fgm", "cw")
METHODS = {"saliency": "saliency", "gradcam": "Grad-CAM"}
MEASURES = {
    "noise_on_salient": "this image's map",
    "same_class": "another image of the class",
    "other_image": "other images",
}
CHANCE = 0.1


def draw(folder: Path) -> list[Path]:
    """Draw sheets of maps per network, how far the maps move, and where the noise falls."""
    labels = read_labels(folder)
    arrays, written = arrays_of(folder), []
    classes = {"class": str, "clean": str, **dict.fromkeys(ATTACKS, str)}
    examples = pd.read_csv(folder / "examples.csv", dtype=classes)
    movement = table_of(folder, "movement")
    with styled():
        for (dataset, network), rows in examples.groupby(["dataset", "network"], sort=False):
            name = f"{dataset}-{network}"
            images = as_rows(rows)
            written.append(save(_by_attack(arrays, images[0], labels), folder, f"attacks-{name}"))
            written.append(save(_by_image(arrays, images, labels), folder, f"images-{name}"))
        for measure, label in (
            ("spearman", "rank correlation of the maps"),
            ("overlap", "overlap of the top 10 %"),
        ):
            figure = _moved(movement[movement["score"] == "true"], measure, label, labels)
            written.append(save(figure, folder, f"moved-{measure}"))
        written.append(
            save(_fallen(table_of(folder, "summary"), labels), folder, "noise-on-salient")
        )
    return written


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
    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    axes = figure.subplots(len(names), 4)
    for line, name in zip(axes, names, strict=True):
        image = arrays[f"{stem}/image"]
        if name == "clean":
            show_image(line[0], image, f"clean, read as {row['clean']}")
            line[1].set_visible(False)
        else:
            noise = arrays[f"{stem}/{name}/noise"]
            image = image + noise
            show_image(line[0], image, f"{labels.attack(name)}, read as {row[name]}")
            limit = float(np.abs(noise.mean(axis=0)).max()) or 1.0
            size = float(np.linalg.norm(noise))
            show_noise(line[1], noise, limit, f"noise to ±{limit:.2g}, $L_2$ {size:.2g}")
        _maps(line[2:], arrays, stem, name, image, names)
    where = labels.place(row["dataset"], row["network"])
    figure.suptitle(
        f"{where}, test image {row['id']}: maps for the score of {row['class']}\n"
        "each kind of map on one scale, each noise on its own"
    )
    return figure


def _by_image(arrays: dict[str, Array], rows: list[Row], labels: Labels) -> Figure:
    """Draw one row per image: clean, FGSM's noise, attacked, and both maps before and after."""
    figure = Figure(figsize=(9.6, 1.5 * len(rows) + 0.7), layout="constrained")
    axes = figure.subplots(len(rows), 7, squeeze=False)
    noises = [arrays[f"{_stem(row)}/fgsm/noise"] for row in rows]
    limit = max(float(np.abs(n.mean(axis=0)).max()) for n in noises)
    names = ["clean", "fgsm"]
    for line, row, noise in zip(axes, rows, noises, strict=True):
        stem = _stem(row)
        image = arrays[f"{stem}/image"]
        show_image(line[0], image, f"{row['class']}")
        show_noise(line[1], noise, limit, "FGSM noise")
        show_image(line[2], image + noise, f"read as {row['fgsm']}")
        _maps([line[3], line[5]], arrays, stem, "clean", image, names, ", clean")
        _maps([line[4], line[6]], arrays, stem, "fgsm", image + noise, names, ", attacked")
    where = labels.place(rows[0]["dataset"], rows[0]["network"])
    figure.suptitle(
        f"{where}: maps for the true class, clean and under FGSM\n"
        f"noise from -{limit:.2g} to {limit:.2g}; both maps of a kind of one image on one scale"
    )
    return figure


def _maps(
    axes: Sequence[Axes],
    arrays: dict[str, Array],
    stem: str,
    name: str,
    image: Array,
    names: list[str],
    which: str = "",
) -> None:
    """Draw saliency alone and Grad-CAM over the image, on the scales of the same image's maps."""
    saliency, cam = (arrays[f"{stem}/{name}/{method}"] for method in METHODS)
    axes[0].imshow(
        saliency,
        cmap="inferno",
        vmin=0,
        vmax=_top(arrays, stem, "saliency", names),
        interpolation="nearest",
    )
    bare(axes[0], f"saliency{which}")
    _overlay(axes[1], image, cam, _top(arrays, stem, "gradcam", names))
    bare(axes[1], f"Grad-CAM{which}")


def _overlay(ax: Axes, image: Array, cam: Array, top: float) -> None:
    grey = picture(image) if image.shape[0] == 1 else picture(image).mean(axis=2)
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.imshow(cam, cmap="inferno", vmin=0, vmax=top, alpha=0.55, interpolation="nearest")


def _moved(table: pd.DataFrame, measure: str, label: str, labels: Labels) -> Figure:
    names = {a: labels.attack(a).replace(" ", "\n") for a in ("noise", *ATTACKS)}
    figure, axes = panels(table, labels, legend=0.25)
    shown = table.assign(name=table["attack"].map(names), map=table["method"].map(METHODS)).dropna(
        subset=["name", "map"]
    )
    for ax, (_, rows) in axes:
        every = shown.loc[rows.index.intersection(shown.index)]
        order = [name for name in names.values() if name in set(every["name"])]
        every = every.sort_values("name", key=lambda column: column.map(order.index), kind="stable")
        grouped_boxes(ax, every, "name", measure, "map")
        if measure == "overlap":
            ax.axhline(CHANCE, color="#777777", ls=":", lw=1)
        ax.set_ylim(min(0, float(table[measure].min())) - 0.05, 1.05)
    outer_labels([ax for ax, _ in axes], "", label)
    handles, texts = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    more = "; dotted: by chance" if measure == "overlap" else ""
    figure.suptitle(
        "Maps of the true class, clean against attacked\n"
        f"(box: quartiles, whiskers: 5 % to 95 % of the images{more})"
    )
    return figure


def _fallen(table: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the noise's energy in the image's own top 10 % and in the controls', with intervals."""
    rows = table[table["measure"].isin(list(MEASURES))]
    groups = list(rows.groupby(["dataset", "network"], sort=False))
    figure = Figure(figsize=(WIDEST, 5.2), layout="constrained")
    axes = figure.subplots(2, len(groups), squeeze=False, sharey=True, sharex=True)
    top = 1.05 * float(rows["high"].max())
    for column, ((dataset, network), part) in enumerate(groups):
        for ax, (method, called) in zip(axes[:, column], METHODS.items(), strict=True):
            for step, (measure, label) in enumerate(MEASURES.items()):
                chosen = part[(part["method"] == method) & (part["measure"] == measure)]
                points = chosen.set_index("attack").reindex(list(ATTACKS))
                mean = points["mean"].to_numpy(dtype=float)
                low, high = (points[c].to_numpy(dtype=float) for c in ("low", "high"))
                ax.errorbar(
                    np.arange(len(ATTACKS)) + 0.2 * (step - 1),
                    mean,
                    yerr=np.stack([mean - low, high - mean]),
                    fmt="os^"[step],
                    ms=4,
                    capsize=2,
                    color=WONG[(1, 2, 6)[step]],
                    label=label,
                )
            ax.axhline(CHANCE, color="#777777", ls=":", lw=1)
            ax.set_xticks(range(len(ATTACKS)), [labels.attack(attack) for attack in ATTACKS])
            ax.set_ylim(0, top)
            if column == 0:
                ax.set_ylabel(f"noise energy in the top 10 %\nof {called}")
        axes[0, column].set_title(labels.place(str(dataset), str(network)))
    handles, names = axes[0, 0].get_legend_handles_labels()
    handles, names = [Line2D([], [], linestyle="none"), *handles], ["top 10 % of:", *names]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.suptitle("Where the noise falls: mean over images with 95 % interval; dotted: by chance")
    return figure
