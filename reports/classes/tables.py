"""Accuracy by class, and which class was predicted in the place of which, under attack.

Both are made from `results.csv` and `predictions.parquet`. Behind a defence that draws, the
predictions are those of the first draw, as the column `correct` of the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.results.manifest import read_manifest
from reports.results.predictions import Predictions, read_predictions
from reports.results.read_write import read_results
from reports.statistics.intervals import wilson

# the columns of a row of `results.csv` that both tables repeat
CELL = ("cell", "dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality",
        "samples", "seed")  # fmt: skip
# name: meaning, of both tables; those in docs/results.md are made from these
PER_CLASS: dict[str, str] = {
    **{name: f"as in `results.csv`: {name}" for name in CELL},
    "class": "number of the true class",
    "class_name": "its name",
    "n": "images of this class that were scored",
    "clean_correct": "images of them that are right behind the defence without attack",
    "clean_accuracy": "their share",
    "correct": "images of them that are right behind the defence under attack",
    "accuracy": "their share",
    "accuracy_low": "its Wilson 95 % limit, lower",
    "accuracy_high": "its Wilson 95 % limit, upper",
}
CONFUSION: dict[str, str] = {
    **{name: f"as in `results.csv`: {name}" for name in CELL},
    "class": "number of the true class",
    "class_name": "its name",
    "predicted": "number of the class predicted under attack; -1: outputs not finite",
    "predicted_name": "its name",
    "images": "number of images; pairs of classes without an image are left out",
}
NOT_FINITE = "(not finite)"
# a spreadsheet evaluates a field that begins with one of these
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, eq=False)
class ClassData:
    """What the tables by class are made from.

    table: rows of `results.csv` with predictions. predictions: of the run.
    names: of the classes, by data set; a class without a name is named by its number.
    """

    table: pd.DataFrame
    predictions: Predictions
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def name(self, dataset: str, label: int) -> str:
        """Return the name of a class; a name that a spreadsheet would evaluate in quotes."""
        known = self.names.get(dataset, ())
        text = known[label] if 0 <= label < len(known) else str(label)
        return f"'{text}'" if label >= 0 and text.startswith(_FORMULA) else text


def read_class_data(directory: Path) -> ClassData:
    """Read what the tables by class need of a run directory.

    Raises TableError where the directory has no predictions, or none of its cells has some.
    """
    table = read_results(directory)
    predictions = read_predictions(directory) if directory.is_dir() else None
    if predictions is None:
        raise TableError(
            f"run {directory}: has no predictions.parquet, from which accuracy by class is counted;"
            " name the directory of a run"
        )
    table = table[table["cell"].isin(predictions.spans.keys())]
    data = read_manifest(directory).get("data")
    names = {}
    for dataset, about in data.items() if isinstance(data, dict) else ():
        listed = about.get("class_names") if isinstance(about, dict) else None
        if isinstance(listed, list):
            names[str(dataset)] = tuple(map(str, listed))
    return ClassData(table, predictions, names)


def size(data: ClassData) -> int:
    """Return how many rows the table by class has at most."""
    spans = (data.predictions.spans[key] for key in data.table["cell"])
    most = int(data.predictions.arrays["label"].max(initial=0)) + 1
    return sum(min(most, span.stop - span.start) for span in spans)


def per_class(data: ClassData) -> pd.DataFrame:
    """Return the accuracy by class, a row per cell and class; the columns of PER_CLASS."""
    return pd.DataFrame(list(_per_class(data)), columns=list(PER_CLASS), dtype=object)


def confusion(data: ClassData) -> pd.DataFrame:
    """Return the predictions under attack, a row per cell, class and predicted class.

    Its columns are those of CONFUSION.
    """
    return pd.DataFrame(list(_confusion(data)), columns=list(CONFUSION), dtype=object)


def _per_class(data: ClassData) -> Iterator[tuple[object, ...]]:
    for cell, span in _cells(data):
        labels, place = np.unique(data.predictions.arrays["label"][span], return_inverse=True)
        n = np.bincount(place)
        counts = {}
        for kind in ("clean", "adversarial"):
            right = data.predictions.arrays[kind][span] == labels[place]
            counts[kind] = np.bincount(place, weights=right).astype(int)
        low, high = wilson(counts["adversarial"], n)
        for at, label in enumerate(map(int, labels)):
            clean, correct = int(counts["clean"][at]), int(counts["adversarial"][at])
            number = int(n[at])
            yield (
                *cell,
                *(label, data.name(str(cell[1]), label), number),
                *(clean, clean / number, correct, correct / number),
                *(float(low[at]), float(high[at])),
            )


def _confusion(data: ClassData) -> Iterator[tuple[object, ...]]:
    for cell, span in _cells(data):
        pairs = [data.predictions.arrays[name][span] for name in ("label", "adversarial")]
        found, images = np.unique(np.stack(pairs, 1).astype(np.int64), axis=0, return_counts=True)
        for (label, predicted), count in zip(found.tolist(), images.tolist(), strict=True):
            other = NOT_FINITE if predicted < 0 else data.name(str(cell[1]), predicted)
            name = data.name(str(cell[1]), label)
            yield (*cell, label, name, predicted, other, count)


def _cells(data: ClassData) -> Iterator[tuple[tuple[object, ...], slice]]:
    """Yield the columns of CELL of each row, and where its predictions are."""
    shown = data.table[list(CELL)].astype(object).where(data.table[list(CELL)].notna(), None)
    for cell in shown.itertuples(index=False, name=None):
        yield cell, data.predictions.spans[str(cell[0])]
