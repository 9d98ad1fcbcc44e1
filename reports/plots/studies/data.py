"""Figures 1 to 4: sheets of samples and class distributions."""

from __future__ import annotations

from pathlib import Path

import seaborn as sns

from reports.plots.saving import Figures, saved
from reports.plots.studies.drawing import arrays_of, sheet, table_of
from reports.style.axes import new_figure
from reports.style.file_names import file_name
from reports.style.labels import read_labels
from reports.style.style import WONG

COLUMNS = 10


@saved
def draw(folder: Path) -> Figures:
    """Draw a sheet for each split and choice, and the class distribution of each data set."""
    labels, arrays = read_labels(folder).for_figures(), arrays_of(folder)
    for key, rows in table_of(folder, "samples").groupby(
        ["dataset", "split", "choice"], sort=False
    ):
        dataset, split, choice = map(str, key)
        which = "{} images drawn at random" if choice == "random" else "the first {} images"
        title = f"{labels.dataset(dataset)}, {split} split: {which.format(len(rows))}"
        classes = [str(c) for c in rows["class"]]
        figure = sheet(arrays[f"{dataset}.{split}.{choice}"], classes, COLUMNS, title)
        yield file_name("sheet", dataset, split, choice), figure
    for name, rows in table_of(folder, "classes").groupby("dataset", sort=False):
        figure, ((ax,),) = new_figure(7.2, 3.2)
        hues = {"hue": "split", "palette": list(WONG[:2])}
        sns.barplot(rows, x="class", y="share", **hues, ax=ax, width=0.75)
        counts = rows.groupby("split", sort=False)["images"].sum().to_dict()
        sizes = ", ".join(f"{n:,} {split}" for split, n in counts.items())
        title = f"{labels.dataset(str(name))}: {sizes} images"
        ax.set(xlabel="class", ylabel="share of the split", title=title)
        ax.tick_params(axis="x", rotation=30 if rows["class"].str.len().max() > 3 else 0)
        ax.legend(title="", loc="upper left", bbox_to_anchor=(1.0, 1.0))
        yield file_name("classes", str(name)), figure
