"""Figures 1 to 4: sheets of samples and class distributions."""

from __future__ import annotations

from pathlib import Path

import seaborn as sns
from matplotlib.figure import Figure

from reports.plots.studies.drawing import arrays_of, save, sheet, table_of
from reports.style.labels import read_labels
from reports.style.style import WONG, styled

COLUMNS = 10


def draw(folder: Path) -> list[Path]:
    """Draw a sheet for each split and choice, and the class distribution of each data set."""
    labels = read_labels(folder)
    classes, samples = table_of(folder, "classes"), table_of(folder, "samples")
    arrays = arrays_of(folder)
    written = []
    with styled():
        for key, rows in samples.groupby(["dataset", "split", "choice"], sort=False):
            dataset, split, choice = map(str, key)
            name = labels.dataset(dataset)
            which = "{} images drawn at random" if choice == "random" else "the first {} images"
            title = f"{name}, {split} split: {which.format(len(rows))}"
            images = arrays[f"{dataset}.{split}.{choice}"]
            figure = sheet(images, [str(c) for c in rows["class"]], COLUMNS, title)
            written.append(save(figure, folder, f"sheet-{dataset}-{split}-{choice}"))
        for label, rows in classes.groupby("dataset", sort=False):
            dataset = str(label)
            figure = Figure(figsize=(7.2, 3.2), layout="constrained")
            ax = figure.subplots()
            sns.barplot(
                rows, x="class", y="share", hue="split", palette=list(WONG[:2]), ax=ax, width=0.75
            )
            counts = rows.groupby("split", sort=False)["images"].sum().to_dict()
            sizes = ", ".join(f"{n:,} {split}" for split, n in counts.items())
            name = labels.dataset(dataset)
            ax.set(xlabel="class", ylabel="share of the split", title=f"{name}: {sizes} images")
            ax.tick_params(axis="x", rotation=30 if rows["class"].str.len().max() > 3 else 0)
            ax.legend(title="", loc="upper left", bbox_to_anchor=(1.0, 1.0))
            written.append(save(figure, folder, f"classes-{dataset}"))
    return written
