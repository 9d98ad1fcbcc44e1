"""The defences of a table as lines of a plot: which are drawn, how they look, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from reports.results.operating_point import CONTROL
from reports.style.labels import Labels
from reports.style.shortened import shortened
from reports.style.style import WONG, Style

# qualities of one defence that are drawn as lines: more colours of one scale look alike
MOST_QUALITIES = 5
# part of a scale from which colours are taken: neither as dark as black nor as light as paper
_SCALES = (("viridis", 0.1, 0.72), ("plasma", 0.15, 0.72))
# black is that of no defence
_COLOURS = [colour for colour in WONG if colour != "#000000"]
# between the names at the ends of lines, as a share of the height of a panel
_GAP = 0.085


@dataclass(frozen=True)
class DefenceLine:
    """A defence as it is drawn.

    label: its name. style: of its line. chosen: its rows in the table, as a mask.
    """

    label: str
    style: Style
    chosen: pd.Series[bool]


@dataclass(frozen=True)
class End:
    """The name of a line at its end.

    label: the name. colour: of name and line. x, y: where the line ends, in data. mean: of its
    values, which orders lines that end in one place.
    """

    label: str
    colour: str | tuple[float, float, float]
    x: float
    y: float
    mean: float


def defence_lines(rows: pd.DataFrame, labels: Labels) -> list[DefenceLine]:
    """Return every defence of a table: none, 8 bits, others, then those with a quality.

    These come by quality, the highest first.
    """
    colours, dashes = cycle(_COLOURS), {"none": ("black", "-"), CONTROL: ("#777777", "--")}
    lines = []
    plain = list(dict.fromkeys(rows.loc[rows["quality"].isna(), "defence"]))
    for defence in sorted(plain, key=lambda name: [*dashes, name].index(name)):
        colour, dash = dashes[defence] if defence in dashes else (next(colours), "-")
        style = {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}
        chosen = rows["quality"].isna() & (rows["defence"] == defence)
        label = labels.behind({"defence": defence, "quality": None})
        lines.append(DefenceLine(label, style, chosen))
    for n, (defence, known) in enumerate(qualities(rows).items()):
        scale, low, high = _SCALES[n % len(_SCALES)]
        palette = sns.color_palette(scale, as_cmap=True)
        places = np.linspace(low, high, len(known)) if len(known) > 1 else [0.45]
        for quality, at in zip(known, reversed(list(places)), strict=True):
            style = {"color": palette(at)[:3], "linestyle": "-", "linewidth": 1.4}
            chosen = (rows["defence"] == defence) & (rows["quality"] == quality).fillna(False)
            label = labels.defence(defence, quality)
            lines.append(DefenceLine(label, style, chosen.astype(bool)))
    return lines


def qualities(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Return the qualities of each defence that has them, from the highest."""
    own = rows[rows["quality"].notna()]
    return {
        str(defence): sorted({int(q) for q in group["quality"]}, reverse=True)
        for defence, group in own.groupby("defence", sort=False)
    }


def with_few_qualities(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of at most `MOST_QUALITIES` qualities of each defence, spread evenly."""
    chosen = rows["quality"].isna()
    for defence, known in qualities(rows).items():
        count = min(len(known), MOST_QUALITIES)
        kept = {known[round(place)] for place in np.linspace(0, len(known) - 1, count)}
        chosen |= (rows["defence"] == defence) & rows["quality"].isin(kept)
    return rows[chosen.astype(bool)]


def has_many_qualities(rows: pd.DataFrame) -> bool:
    """Return whether `with_few_qualities` leaves something out."""
    return any(len(known) > MOST_QUALITIES for known in qualities(rows).values())


def name_ends(ax: Axes, ends: Sequence[End], letters: int = 24) -> None:
    """Write the name of each line beside its end, at the right edge of a panel.

    Names of lines that end close together are moved apart, and a thin line leads to each.
    letters: of a name, at most.
    """
    low, high = ax.get_ylim()
    order = sorted(ends, key=lambda end: (end.y, end.mean))
    gap = min(_GAP, 1 / max(len(order), 1)) * (high - low)
    places = apart([end.y for end in order], gap, low, high)
    for end, place in zip(order, places, strict=True):
        arrow: Style = {"arrowstyle": "-", "color": end.colour, "linewidth": 0.6}
        arrow |= {"shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
        ax.annotate(
            shortened(end.label, letters),
            xy=(end.x, end.y),
            xytext=(1.04, place),
            textcoords=ax.get_yaxis_transform(),
            color=end.colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops=arrow,
        )  # fmt: skip


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places at least `gap` apart within two limits, as near to the wanted ones as can be.

    wanted: rising. The limits give way where there is not enough room.
    """
    # without the gaps the places only have to rise: neighbours that fall share their mean
    pools: list[tuple[float, int]] = []
    for n, value in enumerate(wanted):
        mean, size = value - n * gap, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        pools.append((mean, size))
    level = [mean for mean, size in pools for _ in range(size)]
    highest = max(high - (len(wanted) - 1) * gap, low)
    return [min(max(mean, low), highest) + n * gap for n, mean in enumerate(level)]


def line_end(label: str, style: Style, x: ArrayLike, y: ArrayLike) -> End:
    """Return the end of a line of values, which are not empty."""
    across, up = np.asarray(x, float), np.asarray(y, float)
    return End(label, style["color"], float(across[-1]), float(up[-1]), float(up.mean()))
