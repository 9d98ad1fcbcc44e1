"""One figure per size that grows, and the Markdown table of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.speed.growth.axes import AXES
from benchmark.speed.growth.points import Point
from reports.plots.saving import save_all
from reports.style.axes import new_figure
from reports.style.style import WONG

HEADINGS = ("what grows", "size", "processor seconds", "peak memory, MB")


def draw_growth(points: Sequence[Point], folder: Path) -> list[Path]:
    """Write one PNG per axis into a folder; return their paths."""
    return save_all(_figures(points), folder)


def growth_markdown(points: Sequence[Point], machine: str) -> str:
    """Return all points as a Markdown table below the name of the machine."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *map(cells, points)]
    return f"{machine}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cells(point: Point) -> tuple[str, ...]:
    """Return the texts of a row, in the order of HEADINGS."""
    axis = AXES[point.axis]
    return axis.summary, f"{point.size:,} {axis.unit}", f"{point.seconds:.3g}", _whole(point)


def _whole(point: Point) -> str:
    return f"{point.megabytes:,.0f}"


def _figures(points: Sequence[Point]) -> Iterator[tuple[str, Figure]]:
    for name in dict.fromkeys(point.axis for point in points):
        own = [point for point in points if point.axis == name]
        yield name.replace(" ", "-"), _figure(own)


def _figure(points: Sequence[Point]) -> Figure:
    """Return seconds, on a logarithmic axis, and memory against the size."""
    axis = AXES[points[0].axis]
    figure, ((left, right),) = new_figure(7.0, 3.0, 1, 2)
    sizes = [point.size for point in points]
    for ax, values, label, goal in (
        (left, [p.seconds for p in points], "processor seconds", 0),
        (right, [p.megabytes for p in points], "peak memory, MB", 1),
    ):
        ax.plot(sizes, values, color=WONG[0], marker="o", markersize=4)
        if axis.goal is not None:
            ax.axhline(axis.goal[goal], color=WONG[1], linestyle="--", label="goal")
            ax.legend()
        ax.set(xscale="log", yscale="log", xlabel=axis.unit, ylabel=label)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.minorticks_off()
    # whole decades: within one of them small differences would look large
    decades = [math.log10(point.seconds) for point in points]
    # and a margin, for a point on the edge is cut
    low, high = math.floor(min(decades)), math.floor(max(decades)) + 1
    left.set_ylim(10 ** (low - 0.1), 10 ** (high + 0.1))
    # from zero: a line of libraries alone is level
    right.set_yscale("linear")
    right.set_ylim(0, 1.1 * max(right.get_ylim()[1], *(point.megabytes for point in points)))
    right.yaxis.set_major_formatter("{x:,.0f}")
    figure.suptitle(axis.summary[0].upper() + axis.summary[1:])
    return figure
