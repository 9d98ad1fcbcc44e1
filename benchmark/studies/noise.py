"""The noise of FGSM, FGM and C&W side by side (the paper's Figure 6 and its claim C13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmark.studies.measures import smallest_eps as smallest
from benchmark.studies.measures.one_target import attacks_into
from benchmark.studies.measures.smallest_eps import NORMS, Scan
from benchmark.studies.measures.subjects import class_named, classifier_of, predictions, test_images
from benchmark.studies.measures.tables import Row, Rows, Tables
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.errors import InputError

# the paper's order, from the coarsest to the subtlest
ATTACKS = ("fgsm", "fgm", "cw")
ORDERED = (("fgsm", "fgm"), ("fgm", "cw"), ("fgsm", "cw"))
MEASURES = ("l2", "linf", "mean_abs")


def compute(request: StudyRequest) -> Findings:
    """Compute one image that all three attacks turn into one class, and noise over a sample.

    Parameters: `source` and `target` name the classes, by name or by number. Where no image of that
    pair is available, another pair is shown (`as_asked` is then false). `tries` is the number of
    images of the source class, those with the least FGSM and FGM noise, that C&W attacks.

    Tables:
    `norms`: one row per image and attack, each attack at its smallest for that image, over images
        that are right without an attack; `smallest_eps.sizes` has the measures. `found`: the
        attack broke the image; `all_found`: all three attacks did.
    `order`: over the images that all three broke, how much larger the noise of one attack is than
        that of another.
    `panels`: the image shown; `how` says whether C&W was targeted.
    Arrays: `<dataset>.<network>.<clean, fgsm, fgm, cw>` float32 [C, H, W].
    """
    tables = Tables()
    arrays: dict[str, Array] = {}
    requested = {dataset: _pair(request, dataset) for dataset in request.datasets}
    for dataset, network in request.each_subject():
        names = {"dataset": dataset, "network": str(network)}
        images = test_images(request, dataset, request["samples"])
        classifier = classifier_of(request, dataset, network, images)
        right = images[predictions(classifier, images.x) == images.y]
        records = list(_norms(request, classifier, right))
        rows = pd.DataFrame(records)
        tables.add("norms", records, **names)
        tables.add("order", _order(rows, request.seed), **names)
        panels, pictures = _panels(request, dataset, classifier, requested[dataset], rows)
        tables.add("panels", panels, **names)
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in pictures.items()})
    return Findings(tables.frames(), arrays)


def _pair(request: StudyRequest, dataset: str) -> tuple[int, int]:
    """Return the requested classes; InputError before anything is computed."""
    images = request.images(dataset)
    source, target = (class_named(images, request[name], name) for name in ("source", "target"))
    if source == target:
        raise InputError(f"study parameter target: {request['target']!r} is the source class too")
    return source, target


def _norms(request: StudyRequest, classifier: Classifier, images: Images) -> Iterator[Row]:
    """Yield one row per attack and image, each attack at its smallest."""
    if not len(images):
        raise InputError("study noise: no image of the sample is right; raise samples")
    results = {a: smallest.smallest_step(classifier, images, a, Scan.of(request, a)) for a in NORMS}
    results["cw"] = smallest.carlini(request, classifier, images)
    every = np.logical_and.reduce([result.success for result in results.values()])
    for attack in ATTACKS:
        result = results[attack]
        size = smallest.sizes(images.x, result.x)
        for n, image in enumerate(images.ids):
            row = Row({"id": int(image), "class": images.classes[images.y[n]], "attack": attack})
            row |= {"found": bool(result.success[n]), "all_found": bool(every[n])}
            if result.success[n]:
                row |= result.row(n, images.classes) | {name: size[name][n] for name in size}
            yield row


def _order(rows: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Compare the noise of two attacks over the same images."""
    every = rows[rows["all_found"]].reindex(columns=["id", "attack", *MEASURES])
    for measure in MEASURES:
        wide = every.pivot(index="id", columns="attack", values=measure)
        wide = wide.reindex(columns=list(ATTACKS))
        for larger, smaller in ORDERED:
            above, below = (wide[name].to_numpy(dtype=float) for name in (larger, smaller))
            names = {"measure": measure, "larger": larger, "smaller": smaller}
            yield {**names, **smallest.compared(above, below, seed)}


def _common_pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs (class, prediction) that all three attacks give, most frequent first."""
    every = rows[rows["all_found"]]
    counts = Counter(
        (str(group["class"].iloc[0]), str(group["predicted"].iloc[0]))
        for _, group in every.groupby("id")
        if group["predicted"].nunique() == 1
    )
    return sorted(counts, key=lambda pair: (-counts[pair], pair))


def _panels(
    request: StudyRequest,
    dataset: str,
    classifier: Classifier,
    requested: tuple[int, int],
    rows: pd.DataFrame,
) -> tuple[Rows, dict[str, Array]]:
    """Return the image of the requested pair with the least noise, else one of a similar pair."""
    images = request.images(dataset)
    names = (images.classes[requested[0]], images.classes[requested[1]])

    def similarity(pair: tuple[str, str]) -> int:
        return 2 * (pair[0] == names[0]) + (pair[1] == names[1])

    others = sorted(_common_pairs(rows), key=similarity, reverse=True)
    for source, target in [names, *others]:
        pair = images.classes.index(source), images.classes.index(target)
        panels, pictures = attacks_into(request, images, classifier, *pair)
        if panels:
            as_asked = pair == requested
            if not as_asked:
                asked = f"no {names[0]} becomes {names[1]}"
                request.report(f"{dataset}: {asked}: {source} as {target}")
            head = {"source": source, "target": target, "as_asked": as_asked}
            return [{**head, **row} for row in panels], pictures
    raise InputError(
        f"study noise: on {dataset} no image is turned into one class by all three attacks"
        " within eps_max and l2_max; raise samples"
    )
