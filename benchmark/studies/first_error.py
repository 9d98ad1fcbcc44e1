"""The smallest eps that FGSM and FGM need (the paper's Figures 13 and 14, its claim C5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmark.studies.measures import subjects
from benchmark.studies.measures.smallest_eps import NORMS, Scan, compared, sizes, smallest_step
from benchmark.studies.measures.tables import Row, Rows, Tables, limits, per_image
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.outputs import class_name
from reports.statistics.intervals import held_out, median_smallest_eps


def compute(request: StudyRequest) -> Findings:
    """Compute the smallest eps over a sample, and panels of one image, for each subject.

    Tables:
    `images`: one row per image and attack: smallest_eps (0 for an image that is wrong without an
        attack, empty for one that is right up to eps_max, which is then `censored`), the class that
        it becomes, and l2 and linf of the step after clipping.
    `survival`: the Kaplan-Meier share of images that are still right, by eps.
    `summary`: one row per attack with its median.
    `paired`: FGM against FGSM image by image, by the eps of each in its own norm and by the L2
        length of both steps.
    `panels`: the image that is shown.

    Images that are wrong without an attack are counted, and left out of all tables but `images` and
    `panels`. Arrays: `<dataset>.<network>.<id>.<clean, fgsm, fgm>` float32 [C, H, W].
    """
    tables = Tables()
    arrays: dict[str, Array] = {}
    for dataset, network in request.each_subject():
        names = {"dataset": dataset, "network": str(network)}
        part = subjects.test_images(request, dataset, request["samples"])
        classifier = subjects.classifier_of(request, dataset, network, part)
        records = list(_rows(request, classifier, part))
        rows = pd.DataFrame(records)
        tables.add("images", records, **names)
        for attack, held in rows.groupby("attack", sort=False):
            curve, line = _survival(held)
            tables.add("survival", curve, **names, attack=attack)
            norm = held["norm"].iloc[0]
            tables.add("summary", [line], **names, attack=attack, norm=norm)
        tables.add("paired", _paired(rows, request.seed), **names)
        panels, pictures = _panels(request, dataset, classifier)
        tables.add("panels", panels, **names)
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in pictures.items()})
    return Findings(tables.frames(), arrays)


def _rows(request: StudyRequest, classifier: Classifier, images: Images) -> Iterator[Row]:
    """Yield one row per attack and image."""
    for attack in NORMS:
        scan = Scan.of(request, attack)
        result = smallest_step(classifier, images, attack, scan)
        size = sizes(images.x, result.x)
        broken = result.success
        predicted = [class_name(images.classes, label) for label in result.predicted]
        yield from per_image(
            images.ids,
            **{"class": [images.classes[label] for label in images.y]},
            attack=attack,
            norm="inf" if attack == "fgsm" else "2",
            smallest_eps=np.where(broken, result.eps, np.nan),
            censored=~broken,
            eps_max=scan.eps_max,
            becomes=[c if b else None for c, b in zip(predicted, broken, strict=True)],
            l2=np.where(broken, size["l2"], np.nan),
            linf=np.where(broken, size["linf"], np.nan),
        )


def _survival(rows: pd.DataFrame) -> tuple[Rows, Row]:
    """Return the Kaplan-Meier curve of an attack's images, and its row of the summary."""
    right = rows[rows["smallest_eps"] != 0]
    value = right["smallest_eps"].fillna(right["eps_max"]).to_numpy(dtype=float)
    censored = right["censored"].to_numpy(dtype=bool)
    wrong = len(rows) - len(right)
    line = Row(n=len(right), censored=int(censored.sum()), already_wrong=wrong)
    line |= limits("median", *median_smallest_eps(value, censored))
    points = zip(*held_out(value, censored), strict=True)
    return [{"eps": eps, **limits("share", *share)} for eps, *share in points], line


def _paired(rows: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Compare FGM with FGSM over the images that are right and that both break."""
    broken = rows[(rows["smallest_eps"] > 0) & ~rows["censored"]]
    for measure, larger, smaller in (("smallest_eps", "fgm", "fgsm"), ("l2", "fgsm", "fgm")):
        both = broken.pivot(index="id", columns="attack", values=measure)
        both = both.reindex(columns=list(NORMS)).dropna()
        above, below = (both[name].to_numpy(dtype=float) for name in (larger, smaller))
        names = {"measure": measure, "larger": larger, "smaller": smaller}
        yield {**names, **compared(above, below, seed)}


def _panels(
    request: StudyRequest, dataset: str, classifier: Classifier
) -> tuple[Rows, dict[str, Array]]:
    """Return the requested image, and the next one that is right where that one is wrong."""
    requested, split = subjects.one_image(request, dataset), request["split"]
    shown = {"asked": requested}

    def right(one: Images) -> bool:
        return bool(subjects.predictions(classifier, one.x)[0] == one.y[0])

    if not right(requested):
        rest = request.images(dataset, split)[request["image"] + 1 :]
        ones = (rest[at : at + 1].read() for at in range(len(rest)))
        following = next((one for one in ones if len(one) and right(one)), None)
        shown |= {} if following is None else {"next right": following}
    rows: Rows = []
    pictures: dict[str, Array] = {}
    for choice, one in shown.items():
        image = int(one.ids[0])
        predicted, confidence = subjects.confidences(classifier, one.x)
        pictures[f"{image}.clean"] = one.x[0]
        for row in _rows(request, classifier, one):
            scan = Scan.of(request, row["attack"])
            result = smallest_step(classifier, one, row["attack"], scan)
            pictures[f"{image}.{row['attack']}"] = result.x[0]
            row |= {"predicted": class_name(one.classes, predicted[0]), "confidence": confidence[0]}
            row["becomes_confidence"] = result.confidence[0] if result.success[0] else None
            rows.append({"split": split, "choice": choice, **row})
    return rows, pictures
