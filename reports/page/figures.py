"""Figures of a run that the page does not draw itself, and its tables of transfer."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from reports.page import images
from reports.plots.threats import transfer_matrix
from reports.results.rows import Row
from reports.style.labels import Labels
from reports.style.numbers import budget

# the plot or a table of the page shows what these show, by the start of their names
_SHOWN = ("accuracy", "bars", "bracket", "clean", "corruptions", "heatmap", "passes", "success",
          "threats", "transfer")  # fmt: skip


def own_figures(directory: Path, bytes_left: int) -> list[Row]:
    """Return the images under `plots/` that `reports.plots` did not draw: title and image."""
    paths = sorted((directory / "plots").glob("*.png"))
    paths = [path for path in paths if path.stem.partition("-")[0] not in _SHOWN]
    embedded = images.embed(paths, bytes_left)
    titles = (re.sub("[-_]+", " ", path.stem) for path in paths)
    return [{"title": t, "image": image} for t, image in zip(titles, embedded, strict=True)]


def transfers(table: pd.DataFrame, labels: Labels) -> list[Row]:
    """Return one matrix of accuracy per data set and attack that crafts images elsewhere."""
    done = table[table["status"] == "ok"]
    found = []
    for (dataset, attack), rows in done.groupby(["dataset", "attack"], sort=False):
        drawn = transfer_matrix(rows, labels.threats)
        if drawn is None:
            continue
        matrix, eps = drawn
        lines = [
            (labels.network(str(source)), [None if pd.isna(s) else float(s) for s in shares])
            for source, shares in zip(matrix.index, matrix.to_numpy(), strict=True)
        ]
        found.append(
            {
                "dataset": labels.dataset(str(dataset)),
                "attack": labels.attack(str(attack)),
                "budget": "" if eps is None else budget(str(rows["norm"].iloc[0]), eps),
                "columns": [labels.network(str(name)) for name in matrix.columns],
                "rows": lines,
            }
        )
    return found
