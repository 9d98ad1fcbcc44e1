"""Pieces that the figures of a results table share: panels, rows of a panel, its texts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.attackers import in_order
from reports.look import NORM_LABEL, WONG


def grid(
    rows: int, columns: int, width: float, height: float, legend: float
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of panels, `width` by `height` inches each; legend: inches beside them."""
    # wide enough for the figure's title and legend, however few panels there are
    size = (max(columns * width + legend, 6.6), rows * height + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(line) for line in axes]


def networks_and_threats(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What the rows and the columns of panels stand for."""
    networks = list(dict.fromkeys(rows["network"]))
    return networks, in_order(rows["threat"])


def defences(rows: pd.DataFrame) -> dict[str, tuple[dict[str, Any], pd.Series[bool]]]:
    """Label, line style and rows of each defence: none, quantize, others, JPEG by quality."""
    found: dict[str, tuple[dict[str, Any], pd.Series[bool]]] = {}
    plain = [d for d in dict.fromkeys(rows["defence"]) if not d.startswith("jpeg")]
    greys = {"none": ("black", "-"), "quantize": ("#777777", "--")}
    for n, defence in enumerate(plain):
        colour, dash = greys.get(defence, (WONG[n % len(WONG)], ":"))
        style = {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}
        found[defence_label(defence, None)] = (style, rows["defence"] == defence)
    jpeg = rows[rows["quality"].notna()]
    pairs = sorted({(int(q), d) for q, d in zip(jpeg["quality"], jpeg["defence"], strict=True)})
    colours = sns.color_palette("viridis", len(pairs))
    for (quality, defence), colour in reversed(list(zip(pairs, colours, strict=True))):
        style = {"color": colour, "linestyle": "-", "linewidth": 1.2}
        chosen = (rows["defence"] == defence) & (rows["quality"] == quality).fillna(False)
        found[defence_label(defence, quality)] = (style, chosen.astype(bool))
    return found


def defence_label(defence: str, quality: Any) -> str:
    """A defence as a legend names it."""
    if quality is None or pd.isna(quality):
        return {"quantize": "8 bits only"}.get(defence, defence.rpartition(".")[2] or defence)
    return f"JPEG {quality}"


def of(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """The rows that have these values in these columns."""
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def one(rows: pd.DataFrame, column: str) -> str:
    """The value of a column that is the same in all rows."""
    return str(rows[column].iloc[0])


def size(rows: pd.DataFrame) -> str:
    """How many images were scored, for a title; empty where rows differ."""
    sizes = sorted({int(n) for n in rows["n"]})
    return f" ({sizes[0]:,} images)" if len(sizes) == 1 else ""


def eps_label(rows: pd.DataFrame) -> str:
    """The label of an eps axis, with the norm of the rows."""
    norm = one(rows, "norm")
    return NORM_LABEL.get(norm, f"eps (norm {norm})")
