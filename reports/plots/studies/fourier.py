"""Figures 16 to 18: spectra of noises, images and attacked images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.saving import Figures, saved
from reports.plots.studies import drawing
from reports.plots.studies.drawing import QUARTILES, named_boxes, panels, show_signed, table_of
from reports.results.predictions import Array
from reports.results.rows import Row, as_rows
from reports.style.axes import legend_below, new_figure, outer_labels, shade
from reports.style.file_names import file_name
from reports.style.labels import Labels, read_labels
from reports.style.style import WONG

NAMES = {
    "image": "image",
    "attacked_fgsm": "image + FGSM",
    "attacked_fgm": "image + FGM",
    "attacked_random": "image + random signs",
    "noise_fgsm": "FGSM noise",
    "noise_fgm": "FGM noise",
    "noise_random": "random signs",
}
NOISES = ("noise_fgsm", "noise_fgm", "noise_random")
SHOWN = ("image", "attacked_fgsm", "attacked_fgm", "attacked_random")
PAIRS = {
    "fgsm~fgm": "FGM noise",
    "fgsm~fgm_other": "FGM noise of\nanother image",
    "fgsm~image": "the image",
    "fgsm~random": "random signs",
}
COLOURS = dict(zip(NAMES, ("#777777", *WONG[:6]), strict=True))
LOG_MAGNITUDE = "log$_{10}$ magnitude"
HALF_NYQUIST = 0.25


@saved
def draw(folder: Path) -> Figures:
    """Draw noises and spectra of one image per network, and the sample's spectra and shares."""
    labels, arrays = read_labels(folder).for_figures(), drawing.arrays_of(folder)
    examples = table_of(folder, "examples")
    for row in as_rows(examples):
        place = str(row["dataset"]), str(row["network"])
        yield file_name("noises", *place), _noises(arrays, row, labels)
        yield file_name("attacked", *place), _attacked(arrays, row, labels)
    yield "radial", _radial(table_of(folder, "radial"), labels)
    yield "shares", _shares(table_of(folder, "energy"), examples, labels)
    yield "correlation", _correlations(table_of(folder, "correlation"), labels)


def _noises(arrays: dict[str, Array], row: Row, labels: Labels) -> Figure:
    """Draw noises above and their spectra below, each row on one scale."""
    stem = f"{row['dataset']}/{row['network']}"
    noises = {what: arrays[f"{stem}/{what}"] for what in NOISES}
    spectra = {what: arrays[f"{stem}/{what}/spectrum"] for what in NOISES}
    figure, axes = new_figure(7.4, 5.0, 2, len(NOISES))
    limit = max(map(drawing.largest, noises.values()))
    shown: Any = None
    for ax, (what, noise) in zip(axes[0], noises.items(), strict=True):
        title = f"{NAMES[what]}, $L_2$ {np.linalg.norm(noise):.2f}"
        shown = drawing.show_noise(ax, noise, limit, title)
    colour = ", mean of the channels" if noises["noise_fgsm"].shape[0] > 1 else ""
    figure.colorbar(shown, ax=axes[0], label=f"noise{colour}", shrink=0.85)
    _spectra(figure, axes[1], list(spectra.values()))
    where = labels.place(row["dataset"], row["network"])
    figure.suptitle(
        f"{where}, test image {row['id']} ({row['class']}): noise and its spectrum\n"
        f"FGSM eps {row['eps_fgsm']:.3g}, FGM eps {row['eps_fgm']:.3g}"
    )
    return figure


def _attacked(arrays: dict[str, Array], row: Row, labels: Labels) -> Figure:
    """Draw image and attacked images, their spectra on one scale, and the change of the spectra."""
    stem = f"{row['dataset']}/{row['network']}"
    spectra = [arrays[f"{stem}/{what}/spectrum"] for what in SHOWN]
    figure, axes = new_figure(9.0, 6.9, 3, len(SHOWN))
    read = {"image": row["class"], "attacked_fgsm": row["fgsm"], "attacked_fgm": row["fgm"]}
    for ax, what in zip(axes[0], SHOWN, strict=True):
        result = f"\nread as {read[what]}" if what in read and what != "image" else ""
        drawing.show_image(ax, arrays[f"{stem}/{what}"], NAMES[what] + result)
    _spectra(figure, axes[1], spectra)
    limit = max(float(np.abs(s - spectra[0]).max()) for s in spectra[1:])
    shown: Any = None
    axes[2, 0].set_visible(False)
    for ax, spectrum in zip(axes[2, 1:], spectra[1:], strict=True):
        shown = show_signed(ax, spectrum - spectra[0], limit, "change of the spectrum")
    figure.colorbar(shown, ax=axes[2], label=f"change of {LOG_MAGNITUDE}", shrink=0.85)
    where = labels.place(row["dataset"], row["network"])
    figure.suptitle(f"{where}, test image {row['id']} ({row['class']}): spectra clean and attacked")
    return figure


def _spectra(figure: Figure, axes: Iterable[Axes], spectra: list[Array]) -> None:
    """Draw centred log spectra on one scale; the middle, where the mean was, sets no limit."""
    middle = [np.delete(s, np.argmin(s)) for s in spectra]
    low = min(float(np.quantile(s, 0.02)) for s in middle)
    high = max(float(s.max()) for s in middle)
    shown: Any = None
    for ax, spectrum in zip(axes, spectra, strict=True):
        y, x = (0.5 / size for size in spectrum.shape)
        extent = (-0.5 - x, 0.5 - x, 0.5 - y, -0.5 - y)
        shown = drawing.show_map(ax, spectrum, "magma", (low, high), "spectrum", extent)
        ax.set_xlabel("-0.5 to 0.5 cycles/pixel", fontsize=7)
    figure.colorbar(shown, ax=list(axes), label=LOG_MAGNITUDE, shrink=0.85)


def _radial(table: pd.DataFrame, labels: Labels) -> Figure:
    figure, axes, subjects = panels(table, labels, height=2.7, legend=0.25)
    for ax, rows in subjects:
        for what in ("image", "attacked_fgsm", *NOISES):
            line, colour = rows[rows["what"] == what], COLOURS[what]
            ax.plot(line["frequency"], line["median"], color=colour, label=NAMES[what])
            shade(ax, line["frequency"], line["low10"], line["high90"], colour, 0.13)
        ax.axvline(HALF_NYQUIST, color="#777777", lw=0.8, ls=":")
        ax.set_xlim(0, None)
    outer_labels(axes, "frequency (cycles per pixel)", "log$_{10}$ mean power in a ring")
    legend_below(figure, axes[0], 5)
    n = int(table["n"].max())
    figure.suptitle(f"Radial spectra: median and middle 80 % of {n} images; dotted: half Nyquist")
    return figure


def _shares(table: pd.DataFrame, examples: pd.DataFrame, labels: Labels) -> Figure:
    order = ("image", "attacked_fgsm", "attacked_fgm", *NOISES)
    figure, axes, subjects = panels(table, labels)
    white = examples.set_index(["dataset", "network"])["white_share"]
    for ax, rows in subjects:
        values = [rows.loc[rows["what"] == what, "high_share"] for what in order]
        names = [NAMES[what].replace(" ", "\n", 1) for what in order]
        named_boxes(ax, values, names, [COLOURS[what] for what in order])
        subject = tuple(rows[["dataset", "network"]].iloc[0])
        ax.axhline(white[subject], color="#777777", ls=":", lw=1)
        ax.set_ylim(0, 1)
    outer_labels(axes, "", "share of energy above half Nyquist")
    figure.suptitle(f"Energy above half Nyquist ({_sample(table)}); dotted: white noise")
    return figure


def _correlations(table: pd.DataFrame, labels: Labels) -> Figure:
    figure, axes, subjects = panels(table, labels)
    for ax, rows in subjects:
        values = [rows.loc[rows["pair"] == pair, "correlation"] for pair in PAIRS]
        named_boxes(ax, values, list(PAIRS.values()), WONG[: len(PAIRS)])
        ax.axhline(0, color="#777777", lw=0.8)
    outer_labels(axes, "", "correlation of log magnitudes")
    of = f"The spectrum of FGSM's noise, correlated with that of ...\n({_sample(table)})"
    figure.suptitle(of)
    return figure


def _sample(table: pd.DataFrame) -> str:
    """Return what a box stands for, in words."""
    images = table.groupby(["dataset", "network"])["id"].nunique().max()
    return f"{images} images; {QUARTILES}"
