"""Draw all figures of a results table as PNG files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.plots.brackets import bracket_by_eps
from reports.plots.corruptions import corruption_figures
from reports.plots.eps import accuracy_by_eps, heat_map, success_by_eps
from reports.plots.passes import accuracy_by_passes
from reports.plots.quality import clean_by_quality, threats_by_quality
from reports.plots.saving import Figures, save_all
from reports.plots.threats import transfer_figures
from reports.style.file_names import file_name
from reports.style.labels import NO_LABELS, Labels
from reports.worst_case.brackets import Bracket, brackets


def draw_all(
    table: pd.DataFrame,
    directory: Path,
    labels: Labels = NO_LABELS,
    certificates: pd.DataFrame | None = None,
) -> list[Path]:
    """Draw every figure that a results table has the rows for, as PNG files in a directory.

    certificates: what the run proved, if anything.
    """
    done = table[table["status"] == "ok"].copy()
    if done.empty:
        return []
    directory.mkdir(parents=True, exist_ok=True)
    return save_all(_figures(done, labels, brackets(certificates)), directory)


def _figures(done: pd.DataFrame, labels: Labels, proved: list[Bracket]) -> Figures:
    for data in dict.fromkeys(bracket.dataset for bracket in proved):
        own = [bracket for bracket in proved if bracket.dataset == data]
        yield file_name("bracket", data), bracket_by_eps(own, labels)
    bounded = done[done["eps"].notna()]
    for (dataset, attack), rows in bounded.groupby(["dataset", "attack"], sort=False):
        if rows["eps"].nunique() > 1:
            name = (str(dataset), str(attack))
            yield file_name("accuracy", *name), accuracy_by_eps(rows, labels)
            if rows["quality"].nunique() > 1:
                yield file_name("heatmap", *name), heat_map(rows, labels)
    qualities = done[done["quality"].notna()]
    if qualities["quality"].nunique() > 1:
        yield "clean-accuracy-quality", clean_by_quality(done, labels)
        for attack, rows in done.groupby("attack", sort=False):
            if rows["threat"].nunique() > 1 and rows["quality"].nunique() > 1:
                yield file_name("threats", str(attack)), threats_by_quality(rows, labels)
    yield from transfer_figures(done, labels)
    spent = accuracy_by_passes(done, labels)
    if spent is not None:
        yield "passes", spent
    yield from corruption_figures(done, labels)
    for norm, rows in bounded.groupby("norm", sort=False):
        if rows["eps"].nunique() > 1:
            yield file_name("success", f"norm-{norm}"), success_by_eps(rows, labels)
