"""The noise of FGSM, FGM and C&W side by side (the paper's Figure 6 and its claim C13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures.smallest_eps import (
    NORMS,
    Moved,
    Scan,
    carlini,
    compared,
    sizes,
    smallest_step,
)
from benchmark.studies.measures.subjects import (
    IntArray,
    class_named,
    classifier_of,
    predictions,
    seen,
    test_images,
    tidy,
)
from benchmark.studies.request import Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.data.registry import load_images
from estimators.errors import InputError

Row = dict[str, Any]
# the paper's order, from the coarsest to the subtlest
ATTACKS = ("fgsm", "fgm", "cw")
ORDERED = (("fgsm", "fgm"), ("fgm", "cw"), ("fgsm", "cw"))
# the search through all images of a class takes this many steps of the scan at once
WIDER = 10
MEASURES = ("l2", "linf", "mean_abs")


def compute(request: StudyRequest) -> Findings:
    """One image that all three attacks turn into the same class, and their sizes over a sample.

    Parameters `source` and `target` name the classes, by name or by number. Where no image of
    that pair is to be had, a pair that exists is shown instead (`as_asked` is then false).
    `tries`: so many images of the source class, those with the least FGSM and FGM noise, are
    attacked with C&W.

    Tables: `norms`, one row an image and attack, each attack at its smallest for that image
    (`measures.smallest_eps.sizes` says what the sizes are), over images that are right without
    an attack; `all_found` is true where all three attacks broke the image. `order`, over those:
    how much larger the noise of one attack is than that of the next. `panels`, the image shown:
    `how` says whether C&W was aimed at the class. Arrays: `<dataset>.<network>.<clean, fgsm, fgm,
    cw>` float32 [C, H, W].
    """
    norms: list[Row] = []
    order: list[Row] = []
    panels: list[Row] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    asked = {dataset: _asked(request, dataset) for dataset in request.datasets}
    for dataset, network in request.subjects:
        here = {"dataset": dataset, "network": str(network)}
        request.report(f"noise: {dataset}, {network}")
        images = test_images(request, dataset, request["samples"])
        classifier = classifier_of(request, dataset, network, images)
        right = images[predictions(classifier, images.x) == images.y]
        records = _norms(request, classifier, right)
        rows = pd.DataFrame(records)
        norms += [{**here, **row} for row in records]
        order += [{**here, **row} for row in _order(rows, request.seed)]
        shown, pictures = _panels(request, dataset, classifier, asked[dataset], _agreed(rows))
        panels += [{**here, **row} for row in shown]
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in pictures.items()})
    tables = {"norms": tidy(norms), "order": tidy(order), "panels": tidy(panels)}
    return Findings(tables, arrays)


def _asked(request: StudyRequest, dataset: str) -> tuple[int, int]:
    """The classes asked for; InputError before anything is computed."""
    images = load_images(dataset, "test", request.data_dir)
    source, target = (class_named(images, request[name], name) for name in ("source", "target"))
    if source == target:
        raise InputError(f"study parameter target: {request['target']!r} is the source class too")
    return source, target


def _norms(request: StudyRequest, classifier: Classifier, images: Images) -> list[Row]:
    """A row an image and attack, each attack at its smallest."""
    if not len(images):
        raise InputError("study noise: no image of the sample is right; raise samples")
    moved = {
        attack: smallest_step(classifier, images, attack, Scan.of(request, attack))
        for attack in NORMS
    }
    moved["cw"] = carlini(classifier, images)
    every = np.logical_and.reduce([part.found for part in moved.values()])
    rows = []
    for attack in ATTACKS:
        part = moved[attack]
        size = sizes(images.x, part.x)
        for n, image in enumerate(images.ids):
            row: Row = {
                "id": int(image),
                "class": images.classes[images.y[n]],
                "attack": attack,
                "found": bool(part.found[n]),
                "all_found": bool(every[n]),
            }
            if part.found[n]:
                row |= _said(images, part, n) | {name: size[name][n] for name in size}
            rows.append(row)
    return rows


def _said(images: Images, part: Moved, n: int) -> Row:
    return {
        "predicted": images.classes[part.predicted[n]],
        "confidence": part.confidence[n],
        "eps": part.eps[n],
    }


def _order(rows: pd.DataFrame, seed: int) -> list[Row]:
    """How much larger the noise of one attack is than that of another, over the same images."""
    every = rows[rows["all_found"]]
    found = []
    for measure in MEASURES:
        wide = every.pivot(index="id", columns="attack", values=measure) if len(every) else every
        for larger, smaller in ORDERED:
            sides = [
                wide[name].to_numpy(dtype=float) if len(every) else np.empty(0)
                for name in (larger, smaller)
            ]
            found.append(
                {
                    "measure": measure,
                    "larger": larger,
                    "smaller": smaller,
                    **compared(sides[0], sides[1], seed),
                }
            )
    return found


def _agreed(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs that all three attacks make of some image, the most frequent first."""
    every = rows[rows["all_found"]]
    pairs = [
        (str(group["class"].iloc[0]), str(group["predicted"].iloc[0]))
        for _, group in every.groupby("id")
        if group["predicted"].nunique() == 1
    ]
    counts = Counter(pairs)
    return sorted(counts, key=lambda pair: (-counts[pair], pair))


def _panels(
    request: StudyRequest,
    dataset: str,
    classifier: Classifier,
    asked: tuple[int, int],
    agreed: list[tuple[str, str]],
) -> tuple[list[Row], Mapping[str, npt.NDArray[np.generic]]]:
    """The image of the pair with the least noise, or one of the nearest pair that exists."""
    images = load_images(dataset, "test", request.data_dir)
    names = [images.classes[c] for c in asked]

    def nearness(pair: tuple[str, str]) -> int:
        return 2 * (pair[0] == names[0]) + (pair[1] == names[1])

    by_nearness = sorted(agreed, key=nearness, reverse=True)
    for source, target in [(names[0], names[1]), *by_nearness]:
        pair = images.classes.index(source), images.classes.index(target)
        rows, pictures = _pair(request, images, classifier, *pair)
        if rows:
            as_asked = pair == asked
            if not as_asked:
                request.report(
                    f"noise: {dataset}: no {names[0]} becomes {names[1]}: {source} as {target}"
                )
            head = {"source": source, "target": target, "as_asked": as_asked}
            return [{**head, **row} for row in rows], pictures
    raise InputError(
        f"study noise: on {dataset} no image is turned into one class by all three attacks"
        " within eps_max and l2_max; raise samples"
    )


def _pair(
    request: StudyRequest, images: Images, classifier: Classifier, source: int, target: int
) -> tuple[list[Row], Mapping[str, npt.NDArray[np.generic]]]:
    """The image of the source class that all three turn into the target with the least noise.

    Least: by the sum of the three L2 norms. Nothing where FGSM or FGM turns no image so.
    """
    of_class = images[images.y == source]
    if len(of_class):
        of_class = of_class[predictions(classifier, of_class.x) == source]
    if not len(of_class):
        return [], {}
    beyond = False
    rough, both = _both(request, classifier, of_class, target, beyond, WIDER)
    if not len(both):
        # another class comes first on every image: scan beyond it, where fewer images must do
        beyond, of_class = True, of_class[: request["samples"]]
        rough, both = _both(request, classifier, of_class, target, beyond, WIDER)
    length = _length(of_class, rough)
    candidates = of_class[both[np.argsort(length[both], kind="stable")][: request["tries"]]]
    if not len(candidates):
        return [], {}
    steps, both = _both(request, classifier, candidates, target, beyond)
    how, last = "untargeted", carlini(classifier, candidates)
    hits = both[last.predicted[both] == target]
    if len(both) and not len(hits):
        how, last = "targeted", carlini(classifier, candidates, into=target)
        hits = both[last.found[both]]
    if not len(hits):
        return [], {}
    parts = {**steps, "cw": last}
    best = int(hits[np.argmin(_length(candidates, parts)[hits])])
    chosen = candidates[best : best + 1]
    predicted, confidence = seen(classifier, chosen.x)
    here: Row = {"id": int(chosen.ids[0])}
    rows = [
        {
            **here,
            "attack": "clean",
            "how": "clean",
            "predicted": images.classes[predicted[0]],
            "confidence": confidence[0],
        }
    ]
    pictures: dict[str, npt.NDArray[np.generic]] = {"clean": chosen.x[0]}
    for attack in ATTACKS:
        part = parts[attack]
        size = sizes(chosen.x, part.x[best : best + 1])
        rows.append(
            {
                **here,
                "attack": attack,
                "how": how if attack == "cw" else "smallest eps",
                **_said(images, part, best),
                **{name: value[0] for name, value in size.items()},
            }
        )
        pictures[attack] = part.x[best]
    return rows, pictures


def _both(
    request: StudyRequest,
    classifier: Classifier,
    images: Images,
    target: int,
    beyond: bool,
    wider: int = 1,
) -> tuple[dict[str, Moved], IntArray]:
    """FGSM and FGM at their smallest for each image, and which images both turn into the target.

    beyond: go on to the smallest eps that gives the target where another class comes first.
    wider: steps of the scan, in those that the study asks for.
    """
    into = target if beyond else None
    steps = {}
    for attack in NORMS:
        scan = Scan.of(request, attack)
        scan = replace(scan, steps=max(1, scan.steps // wider))
        steps[attack] = smallest_step(classifier, images, attack, scan, into)
    hits = [part.found & (part.predicted == target) for part in steps.values()]
    return steps, np.flatnonzero(np.logical_and.reduce(hits))


def _length(images: Images, parts: Mapping[str, Moved]) -> npt.NDArray[np.float64]:
    """The sum of the L2 norms of several attacks on each image."""
    lengths = [sizes(images.x, part.x)["l2"] for part in parts.values()]
    total: npt.NDArray[np.float64] = np.sum(lengths, axis=0)
    return total
