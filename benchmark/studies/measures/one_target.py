"""An image that FGSM, FGM and C&W turn into the same class with little noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmark.studies.measures import smallest_eps as smallest
from benchmark.studies.measures.smallest_eps import NORMS, Scan, SmallestAttack, carlini, sizes
from benchmark.studies.measures.subjects import IntArray, confidences, predictions
from benchmark.studies.measures.tables import Rows
from benchmark.studies.request import Array, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.outputs import class_name

# the search through all images of a class scans with steps this many times as wide
WIDER = 10


def attacks_into(
    request: StudyRequest, images: Images, classifier: Classifier, source: int, target: int
) -> tuple[Rows, dict[str, Array]]:
    """Return the image of the source class that all three attacks turn into the target class.

    It is the one with the least sum of the three L2 norms, as rows (clean, fgsm, fgm, cw) and as
    images [C, H, W] by the same names. Both are empty where there is no such image.
    """
    of_class = images[np.flatnonzero(images.y == source)[: request["searched"]]].read()
    if len(of_class):
        of_class = of_class[predictions(classifier, of_class.x) == source]
    if not len(of_class):
        return [], {}
    into = None
    rough, both = _fast(request, classifier, of_class, target, into, WIDER)
    if not len(both):
        # every image becomes another class first: scan for the target itself, over fewer images
        into, of_class = target, of_class[: request["samples"]]
        rough, both = _fast(request, classifier, of_class, target, into, WIDER)
    length = _total_l2(of_class, rough)
    candidates = of_class[both[np.argsort(length[both], kind="stable")][: request["tries"]]]
    if not len(candidates):
        return [], {}
    results, both = _fast(request, classifier, candidates, target, into)
    how, last = "untargeted", carlini(request, classifier, candidates)
    hits = both[last.predicted[both] == target]
    if len(both) and not len(hits):
        how, last = "targeted", carlini(request, classifier, candidates, into=target)
        hits = both[last.success[both]]
    if not len(hits):
        return [], {}
    results["cw"] = last
    best = int(hits[np.argmin(_total_l2(candidates, results)[hits])])
    chosen = candidates[best : best + 1]
    predicted, confidence = confidences(classifier, chosen.x)
    image = {"id": int(chosen.ids[0])}
    clean = {"predicted": class_name(images.classes, predicted[0]), "confidence": confidence[0]}
    rows: Rows = [{**image, "attack": "clean", "how": "clean", **clean}]
    pictures: dict[str, Array] = {"clean": chosen.x[0]}
    for attack, result in results.items():
        size = sizes(chosen.x, result.x[best : best + 1])
        row = {"attack": attack, "how": how if attack == "cw" else "smallest eps"}
        row |= result.row(best, images.classes)
        rows.append({**image, **row, **{name: value[0] for name, value in size.items()}})
        pictures[attack] = result.x[best]
    return rows, pictures


def _fast(
    request: StudyRequest,
    classifier: Classifier,
    images: Images,
    target: int,
    into: int | None,
    wider: int = 1,
) -> tuple[dict[str, SmallestAttack], IntArray]:
    """Return FGSM and FGM at their smallest, and which images both turn into the target.

    into: the target, to scan beyond an eps at which another class comes first.
    wider: width of the steps of the scan, in those of the study.
    """
    results = {}
    for attack in NORMS:
        scan = Scan.of(request, attack)
        scan = replace(scan, steps=max(1, scan.steps // wider))
        results[attack] = smallest.smallest_step(classifier, images, attack, scan, into)
    hits = [result.success & (result.predicted == target) for result in results.values()]
    return results, np.flatnonzero(np.logical_and.reduce(hits))


def _total_l2(images: Images, results: Mapping[str, SmallestAttack]) -> npt.NDArray[np.float64]:
    """Return the sum [N] of the L2 norms of several attacks on each image."""
    lengths = [sizes(images.x, result.x)["l2"] for result in results.values()]
    return np.asarray(np.sum(lengths, axis=0))
