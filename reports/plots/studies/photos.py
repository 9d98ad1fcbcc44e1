"""JPEG's own transfer function by image size, and the figures of the study's parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies import first_error, fourier, saliency, transfer_function
from reports.plots.studies.drawing import by_subject, panels, table_of
from reports.plots.studies.transfer_jpeg import PIXEL_FREQUENCY
from reports.style.axes import legend_below, new_figure, outer_labels, shade
from reports.style.labels import Labels, read_labels
from reports.style.style import MARKERS, WONG, Style

PARTS = {
    "transfer-function": transfer_function.draw,
    "first-error": first_error.draw,
    "fourier": fourier.draw,
    "saliency": saliency.draw,
}
NOISES = {"fgsm": "FGSM's noise", "noise": "random signs"}
NYQUIST = 0.5


def draw(folder: Path) -> list[Path]:
    """Draw the figures of the study, and those of each part into its folder."""
    written = _draw(folder)
    for name, of_part in PARTS.items():
        if (folder / name).is_dir():
            written += of_part(folder / name)
    return written


@saved
def _draw(folder: Path) -> Figures:
    """Draw gratings by size, noise by data set, cut-offs, and the smallest noise by data set."""
    labels = read_labels(folder).for_figures()
    yield "gratings", _gratings(table_of(folder, "gratings"))
    yield "gains", _gains(table_of(folder, "gains"), labels)
    yield "cutoffs", _cutoffs(table_of(folder, "cutoffs"), table_of(folder, "summary"), labels)
    if (folder / "first-error").is_dir():
        images, subjects = table_of(folder / "first-error", "images"), table_of(folder, "subjects")
        yield "smallest", _smallest(images, subjects, labels)


def _gratings(table: pd.DataFrame) -> Figure:
    """Draw gain against frequency: a row per contrast, a column per quality, a line per size."""
    contrasts, qualities = table["contrast"].unique(), _few(table["quality"].unique())
    size = (2.6 * len(qualities) + 0.6, 1.9 * len(contrasts) + 0.9)
    figure, axes = new_figure(*size, len(contrasts), len(qualities), sharex=True, sharey=True)
    axes = np.asarray(axes).reshape(len(contrasts), len(qualities))
    for line, contrast in zip(axes, contrasts, strict=True):
        for ax, quality in zip(line, qualities, strict=True):
            rows = table[(table["contrast"] == contrast) & (table["quality"] == quality)]
            for (pixels, curve), colour, marker in zip(
                rows.groupby("size"), WONG, MARKERS, strict=False
            ):
                # the largest size has a hundred frequencies: a line without marks
                marks = marker if len(curve) < 20 else ""
                at, gain = curve["frequency"], curve["gain"]
                ax.plot(at, gain, color=colour, marker=marks, ms=3, lw=1, label=f"{pixels} pixels")
            ax.set_title(f"quality {quality}, contrast {contrast:g}", fontsize=8)
    outer_labels(list(axes.flat), PIXEL_FREQUENCY, "gain")
    legend_below(figure, axes[0, 0])
    figure.suptitle("JPEG's transfer function: gratings by image size")
    return figure


def _gains(table: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the gain of FGSM's noise against frequency: a panel per subject, a line per quality."""
    figure, axes, subjects = panels(
        table[table["noise"] == "fgsm"], labels, width=3.3, height=2.8, legend=0.25
    )
    for ax, rows in subjects:
        lines = rows.groupby("quality", sort=False)
        for (quality, curve), colour in zip(lines, WONG, strict=False):
            ax.plot(
                curve["frequency"], curve["mean"], color=colour, lw=1.2, label=f"JPEG {quality}"
            )
            shade(ax, curve["frequency"], curve["low"], curve["high"], colour)
        ax.axhline(0, color="#777777", lw=0.8)
        ax.set(xlim=(0, NYQUIST), ylim=(-0.1, 1.1))
    outer_labels(axes, PIXEL_FREQUENCY, "gain")
    legend_below(figure, axes[0])
    n = int(table["n"].max())
    figure.suptitle(f"What JPEG leaves of FGSM's noise (mean of up to {n} images; band: 95 %)")
    return figure


def _cutoffs(cutoffs: pd.DataFrame, summary: pd.DataFrame, labels: Labels) -> Figure:
    """Draw cut-off against quality: gratings by contrast and size, noises by subject."""
    figure, axes = new_figure(9.0, 3.6, 1, 2, sharey=True)
    left, right = np.asarray(axes).ravel()
    sizes = list(cutoffs["size"].unique())
    styles = ("-", "--", ":")
    for contrast, style in zip(cutoffs["contrast"].unique(), styles, strict=False):
        for n, pixels in enumerate(sizes):
            rows = cutoffs[(cutoffs["contrast"] == contrast) & (cutoffs["size"] == pixels)]
            name = f"{pixels} pixels, contrast {contrast:g}"
            look: Style = {"color": WONG[n], "ls": style, "marker": MARKERS[n], "ms": 3.5, "lw": 1}
            left.plot(rows["quality"], rows["cutoff"], label=name, **look)
    rows = summary[summary["measure"] == "cutoff"]
    for n, (dataset, _, of) in enumerate(by_subject(rows)):
        for (noise, label), style in zip(NOISES.items(), styles, strict=False):
            line = of[of["noise"] == noise]
            _with_limits(right, line, WONG[n], style, f"{labels.dataset(dataset)}, {label}")
    left.set(title="gratings", ylabel="cut-off (cycles per pixel)", ylim=(0, None))
    right.set(title="noise on images (bars: 95 %)")
    for ax in (left, right):
        ax.set_xlabel("JPEG quality")
        ax.legend(fontsize=6, ncols=1)
    figure.suptitle("Cut-off of JPEG's transfer function")
    return figure


def _with_limits(ax: Axes, line: pd.DataFrame, colour: str, style: str, label: str) -> None:
    below, above = line["mean"] - line["low"], line["high"] - line["mean"]
    bars: Style = {"color": colour, "ls": style, "lw": 1, "capsize": 2, "label": label}
    ax.errorbar(line["quality"], line["mean"], yerr=[below, above], **bars)


def _smallest(table: pd.DataFrame, subjects: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the share of images that are still right against the smallest noise, per attack."""
    figure, axes = new_figure(8.6, 3.4, 1, 2, sharey=True)
    axes = np.asarray(axes).ravel()
    values = (subjects["channels"] * subjects["size"] ** 2).set_axis(subjects["dataset"])
    kinds = {"fgsm": "eps of FGSM (grey levels)", "fgm": "RMS noise of FGM (grey levels)"}
    for ax, (attack, axis) in zip(axes, kinds.items(), strict=True):
        right = table[(table["attack"] == attack) & (table["smallest_eps"] != 0)]
        for (dataset, network, rows), colour in zip(by_subject(right), WONG, strict=False):
            eps = rows["smallest_eps"].fillna(np.inf).to_numpy(float) * 255
            eps = np.sort(eps if attack == "fgsm" else eps / np.sqrt(values[dataset]))
            share = 1 - np.arange(1, len(eps) + 1) / len(eps)
            ax.step(eps, share, where="post", color=colour, label=labels.place(dataset, network))
        ax.set(xscale="log", xlabel=axis, ylim=(0, 1))
    axes[0].set_ylabel("share of images still right")
    legend_below(figure, axes[0])
    figure.suptitle("Smallest noise that changes the class")
    return figure


def _few(values: np.ndarray) -> list[int]:
    """Return at most three values: first, middle and last."""
    listed = [int(v) for v in values]
    return list(dict.fromkeys([listed[0], listed[len(listed) // 2], listed[-1]]))
