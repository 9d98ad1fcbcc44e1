"""C&W from every class into every other one (the paper's Figure 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures.smallest_eps import carlini, sizes
from benchmark.studies.measures.subjects import IntArray, classifier_of, predictions, tidy
from benchmark.studies.request import Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images, stratified_order
from estimators.data.registry import load_images
from estimators.errors import InputError
from reports.statistics.intervals import spread, wilson

Row = dict[str, Any]


def compute(request: StudyRequest) -> Findings:
    """Some images of each class, each attacked into every other class by targeted C&W.

    `per_class` images a class that the network is right on, drawn by seed; fewer where there are
    no more. Tables: `attacks`, one row an image and target; `pairs`, a row a source and target
    class: success with Wilson's 95 % limits, mean L2 of the successes with Student's t limits.
    Arrays (their attacks have `on_sheet` true):
    `<dataset>.<network>.sheet` float32 [classes, classes, C, H, W], row = source, column = target,
    the clean image on the diagonal (NaN where a class has no image that is right);
    `<dataset>.<network>.classes` the names in that order.
    """
    if request["per_class"] < 1:
        raise InputError(f"study parameter per_class: at least 1, found {request['per_class']}")
    attacks: list[Row] = []
    pairs: list[Row] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for dataset, network in request.subjects:
        here = {"dataset": dataset, "network": str(network)}
        images = load_images(dataset, "test", request.data_dir)
        classifier = classifier_of(request, dataset, network, images)
        part = images[_right_of_each(classifier, images, request["per_class"], request.seed)]
        if not len(part):
            raise InputError(f"study targeted: {network} is right on no image of {dataset}")
        rows, pictures = _attacks(request, classifier, part, f"{dataset}, {network}")
        attacks += [{**here, **row} for row in rows]
        pairs += [{**here, **row} for row in _pairs(pd.DataFrame(rows), images.classes)]
        arrays[f"{dataset}.{network}.sheet"] = pictures
        arrays[f"{dataset}.{network}.classes"] = np.array(images.classes)
    tables = {"attacks": tidy(attacks), "pairs": tidy(pairs)}
    return Findings(tables, arrays)


def _right_of_each(classifier: Classifier, images: Images, count: int, seed: int) -> IntArray:
    """Positions of `count` images of each class that the network is right on, class by class."""
    order = stratified_order(images.y, seed)
    chosen: list[int] = []
    for label in range(len(images.classes)):
        members = order[images.y[order] == label]
        found: list[int] = []
        # a few at a time: most are right, so few need be looked at
        for at in range(0, len(members), 50):
            some = members[at : at + 50]
            right = predictions(classifier, images[some].x) == label
            found += [int(i) for i in some[right]]
            if len(found) >= count:
                break
        chosen += found[:count]
    return np.array(chosen, dtype=np.int64)


def _attacks(
    request: StudyRequest, classifier: Classifier, images: Images, told: str
) -> tuple[list[Row], npt.NDArray[np.float32]]:
    """Rows of all attacks, and the sheet: of the first image of each class."""
    classes = images.classes
    first = {int(label): int(np.flatnonzero(images.y == label)[0]) for label in np.unique(images.y)}
    sheet = np.full((len(classes), len(classes), *images.shape), np.nan, dtype=np.float32)
    for label, at in first.items():
        sheet[label, label] = images.x[at]
    rows = []
    for target, name in enumerate(classes):
        request.report(f"targeted: {told}, into {name}")
        others = np.flatnonzero(images.y != target)
        if not len(others):
            continue
        part = images[others]
        moved = carlini(classifier, part, into=target)
        size = sizes(part.x, moved.x)
        for n, image in enumerate(part.ids):
            success = bool(moved.found[n])
            rows.append(
                {
                    "id": int(image),
                    "source": classes[part.y[n]],
                    "target": name,
                    "success": success,
                    "predicted": classes[moved.predicted[n]],
                    "confidence": moved.confidence[n],
                    "l2": size["l2"][n] if success else None,
                    "linf": size["linf"][n] if success else None,
                    "on_sheet": bool(others[n] in first.values()),
                }
            )
        for label, at in first.items():
            if label != target:
                sheet[label, target] = moved.x[int(np.flatnonzero(others == at)[0])]
    return rows, sheet


def _pairs(rows: pd.DataFrame, classes: tuple[str, ...]) -> list[Row]:
    """A row a pair of classes, in the order of the classes."""
    found = []
    for source in classes:
        for target in classes:
            part = rows[(rows["source"] == source) & (rows["target"] == target)]
            if part.empty:
                continue
            hits = int(part["success"].sum())
            low, high = wilson(hits, len(part))
            mean = spread(part["l2"].to_numpy(dtype=float))
            found.append(
                {
                    "source": source,
                    "target": target,
                    "images": len(part),
                    "success": hits / len(part),
                    "success_low": low,
                    "success_high": high,
                    "l2_mean": mean.mean,
                    "l2_low": mean.low,
                    "l2_high": mean.high,
                }
            )
    return found
