"""Figure 12: transfer functions behind JPEG, as heat maps and as an animation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.saving import Figures
from reports.results.predictions import Array
from reports.style.axes import legend_below, new_figure
from reports.style.file_names import file_name
from reports.style.labels import Labels
from reports.style.style import WIDEST, WONG, Style

DIRECTIONS = ("vertical", "horizontal", "diagonal")
MEASURES = {"response": "response: norm of the output", "response_ac": "less the answer to grey"}
PIXEL_FREQUENCY = "frequency (cycles per pixel)"


def figures(
    arrays: Mapping[str, Array], dataset: str, networks: list[str], own: int, labels: Labels
) -> Figures:
    """Draw heat maps by direction and by image size, and the animation.

    networks: those of the data set. own: the size of its images.
    """
    # names hold slashes: what stands behind this one is size, direction and measure
    networks = [n for n in networks if any(key.startswith(f"{dataset}/{n}/") for key in arrays)]
    first = f"{dataset}/{networks[0]}/"
    known = (key.removeprefix(first).split("/") for key in arrays if key.startswith(first))
    sizes = sorted({int(parts[0]) for parts in known if len(parts) == 3})
    # the data's own, a middle one and the largest: all sizes would be too many
    few = list(dict.fromkeys([own, sizes[len(sizes) // 2], sizes[-1]]))
    for name, columns in (
        (file_name("jpeg", dataset), [(own, direction) for direction in DIRECTIONS]),
        (file_name("jpeg", "sizes", dataset), [(size, "vertical") for size in few]),
    ):
        yield name, _heat(arrays, dataset, networks, columns, labels)
    yield file_name("jpeg", dataset), _frames(arrays, dataset, networks, own, labels)


def _heat(
    arrays: Mapping[str, Array],
    dataset: str,
    networks: list[str],
    columns: list[tuple[int, str]],
    labels: Labels,
) -> Figure:
    """Draw the change of the response less grey by JPEG: rows are networks, columns gratings."""
    figure, axes = new_figure(WIDEST, 2.9 * len(networks) + 0.5, len(networks), len(columns))
    stems = [[f"{dataset}/{n}/{size}/{direction}" for size, direction in columns] for n in networks]
    changes = {stem: _change(arrays[f"{stem}/response_ac"]) for line in stems for stem in line}
    # a few frequencies at the end of the band change most; the scale fits the others
    every = np.concatenate([np.abs(change).ravel() for change in changes.values()])
    limit = float(np.quantile(every, 0.99)) or 1.0
    shown: Any = None
    for row, network in enumerate(networks):
        for column, (size, direction) in enumerate(columns):
            ax: Axes = axes[row, column]
            stem = stems[row][column]
            quality, cycles = arrays[f"{stem}/quality"][1:], arrays[f"{stem}/cycles"][1:]
            scale: Style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            place: Style = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
            shown = ax.imshow(changes[stem], **scale, **place)
            ax.grid(False)
            steps = np.hypot(cycles, cycles) if direction == "diagonal" else cycles
            ticks = np.unique(np.linspace(0, len(cycles) - 1, 5).round().astype(int))
            ax.set_xticks(ticks, [f"{steps[t] / size:.2f}" for t in ticks])
            ticks = np.unique(np.linspace(0, len(quality) - 1, 9).round().astype(int))
            ax.set_yticks(ticks, [str(quality[t]) for t in ticks])
            ax.set_title(f"{labels.network(network)}\n{size} pixels, {direction}", fontsize=9)
            ax.set_ylabel("JPEG quality" if column == 0 else "")
            ax.set_xlabel(PIXEL_FREQUENCY if row == len(networks) - 1 else "")
    label = "change of the response less grey (%)"
    figure.colorbar(shown, ax=axes, label=label, fraction=0.04, extend="both")
    what = "what JPEG ahead changes in the first layer's response"
    figure.suptitle(f"{labels.dataset(dataset)}: {what}")
    return figure


def _change(response: Array) -> Array:
    """Return the change in per cent against no JPEG, the first row, without frequency 0."""
    changed: Array = 100 * (response[1:, 1:] / response[0, 1:] - 1)
    return changed


def _frames(
    arrays: Mapping[str, Array], dataset: str, networks: list[str], own: int, labels: Labels
) -> Iterator[Figure]:
    """Yield one figure per quality, from none and the best down: responses and their change."""
    stems = [f"{dataset}/{network}/{own}/vertical" for network in networks]
    qualities = arrays[f"{stems[0]}/quality"]
    tops = [1.08 * float(arrays[f"{stem}/response"].max()) for stem in stems]
    lines = [arrays[f"{stem}/{measure}"] for stem in stems for measure in MEASURES]
    limit = 1.08 * max(float(np.abs(_change(line)).max()) for line in lines)
    for index in [0, *range(len(qualities) - 1, 0, -1)]:
        figure = Figure(figsize=(3.9 * len(stems), 4.4), layout="constrained", dpi=85)
        axes = figure.subplots(2, len(stems), squeeze=False, height_ratios=(3, 2))
        for column, (stem, network) in enumerate(zip(stems, networks, strict=True)):
            above, below = axes[:, column]
            x = arrays[f"{stem}/cycles"] / own
            for (measure, label), colour in zip(MEASURES.items(), WONG, strict=False):
                curves = arrays[f"{stem}/{measure}"]
                above.plot(x, curves[0], color="#777777", lw=1.2, ls=":", zorder=1)
                above.plot(x, curves[index], color=colour, lw=1.6, label=label)
                now = np.zeros(len(x) - 1) if index == 0 else _change(curves)[index - 1]
                below.plot(x[1:], now, color=colour, lw=1.6)
            above.set(title=labels.network(network), ylim=(0, tops[column]))
            below.set(xlabel=PIXEL_FREQUENCY, ylim=(-limit, limit), xlim=above.get_xlim())
        axes[0, 0].plot([], [], color="#777777", lw=1.2, ls=":", label="without JPEG")
        legend_below(figure, axes[0, 0], 3)
        axes[0, 0].set_ylabel("response")
        axes[1, 0].set_ylabel("change (%)")
        which = f"JPEG quality {qualities[index]:3d}" if qualities[index] else "no JPEG"
        figure.suptitle(f"{labels.dataset(dataset)}, vertical gratings of {own} pixels: {which}")
        yield figure
