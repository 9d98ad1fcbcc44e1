"""C&W from each class into each other class (the paper's Figure 5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures.smallest_eps import carlini, sizes
from benchmark.studies.measures.subjects import IntArray, classifier_of, predictions
from benchmark.studies.measures.tables import Row, Rows, Tables, limits, per_image
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.choice import stratified_order
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.outputs import class_name
from reports.statistics.intervals import spread, wilson


def compute(request: StudyRequest) -> Findings:
    """Attack some images of each class into every other class by targeted C&W.

    The images are `per_class` random ones per class that the network is right on; fewer where
    there are no more. Tables: `attacks`, one row per image and target; `pairs`, one row per source
    and target class: success with Wilson's 95 % limits, mean L2 of the successes with Student's t
    limits.

    Arrays: `<dataset>.<network>.sheet` float32 [classes, classes, C, H, W], row = source, column =
    target, the clean image on the diagonal (NaN where no image of a class is right); the attacks of
    these images have `on_sheet` true. `<dataset>.<network>.classes`: the names in that order.
    """
    if request["per_class"] < 1:
        got = request["per_class"]
        raise InputError(f"study parameter per_class: must be at least 1, got {got}")
    tables = Tables()
    arrays: dict[str, Array] = {}
    for dataset, network in request.each_subject():
        names = {"dataset": dataset, "network": str(network)}
        images = request.images(dataset)
        classifier = classifier_of(request, dataset, network, images)
        part = images[_right_of_each(classifier, images, request["per_class"], request.seed)].read()
        if not len(part):
            raise InputError(f"study targeted: {network} is right on no image of {dataset}")
        rows, sheet = _attacks(request, classifier, part, f"{network} on {dataset}")
        tables.add("attacks", rows, **names)
        tables.add("pairs", _pairs(pd.DataFrame(rows), images.classes), **names)
        arrays[f"{dataset}.{network}.sheet"] = sheet
        arrays[f"{dataset}.{network}.classes"] = np.array(images.classes)
    return Findings(tables.frames(), arrays)


def _right_of_each(classifier: Classifier, images: Images, count: int, seed: int) -> IntArray:
    """Return positions of `count` images per class that the network is right on, by class."""
    order = stratified_order(images.y, seed)
    position = {image: at for at, image in enumerate(images.ids.tolist())}
    chosen: list[int] = []
    for label in range(len(images.classes)):
        members = order[images.y[order] == label]
        right: list[int] = []
        # a few at a time: most are right, so few need a prediction
        for at in range(0, len(members), 50):
            part = images[members[at : at + 50]].read()
            hits = part.ids[predictions(classifier, part.x) == label] if len(part) else part.ids
            right += [position[image] for image in hits.tolist()]
            if len(right) >= count:
                break
        chosen += right[:count]
    return np.array(chosen, dtype=np.int64)


def _attacks(
    request: StudyRequest, classifier: Classifier, images: Images, subject: str
) -> tuple[Rows, npt.NDArray[np.float32]]:
    """Return the rows of all attacks, and the sheet of the first image of each class."""
    classes = images.classes
    first = {int(label): int(np.flatnonzero(images.y == label)[0]) for label in np.unique(images.y)}
    sheet = np.full((len(classes), len(classes), *images.shape), np.nan, dtype=np.float32)
    for label, at in first.items():
        sheet[label, label] = images.x[at]
    rows: Rows = []
    for target, name in enumerate(classes):
        request.report(f"{subject}, into {name}")
        others = np.flatnonzero(images.y != target)
        if not len(others):
            continue
        part = images[others]
        result = carlini(request, classifier, part, into=target)
        size = sizes(part.x, result.x)
        rows += per_image(
            part.ids,
            source=[classes[label] for label in part.y],
            target=name,
            success=result.success,
            predicted=[class_name(classes, label) for label in result.predicted],
            confidence=result.confidence,
            l2=np.where(result.success, size["l2"], np.nan),
            linf=np.where(result.success, size["linf"], np.nan),
            on_sheet=np.isin(others, list(first.values())),
        )
        for label, at in first.items():
            if label != target:
                sheet[label, target] = result.x[int(np.flatnonzero(others == at)[0])]
    return rows, sheet


def _pairs(rows: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[Row]:
    """Yield one row per pair of classes, in the order of the classes."""
    for source in classes:
        for target in classes:
            part = rows[(rows["source"] == source) & (rows["target"] == target)]
            if part.empty:
                continue
            hits = int(part["success"].sum())
            row: Row = {"source": source, "target": target, "images": len(part)}
            row |= limits("success", hits / len(part), *wilson(hits, len(part)))
            mean = spread(part["l2"].to_numpy(dtype=float))
            yield row | {"l2_mean": mean.mean, "l2_low": mean.low, "l2_high": mean.high}
