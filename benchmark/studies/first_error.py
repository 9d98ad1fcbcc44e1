"""The smallest eps that FGSM and FGM need (the paper's Figures 13 and 14, its claim C5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures.smallest_eps import NORMS, Scan, compared, sizes, smallest_step
from benchmark.studies.measures.subjects import (
    classifier_of,
    one_image,
    predictions,
    seen,
    test_images,
    tidy,
)
from benchmark.studies.request import Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.data.registry import load_images
from reports.statistics.intervals import held_out, median_smallest_eps

Row = dict[str, Any]


def compute(request: StudyRequest) -> Findings:
    """Smallest eps over a sample, and panels of one image, for each subject.

    Tables: `images`, one row an image and attack: smallest_eps (0: wrong without an attack; empty:
    held out, `censored`, the largest eps tried is in `eps_max`), what it becomes, and l2 and linf
    of the step as it is after clipping; `survival`, the Kaplan-Meier share of images still right;
    `summary`, a row an attack with its median; `paired`, FGM against FGSM image by image, once by
    the eps of each in its own norm and once by the L2 length of both steps; `panels`. Images that
    are wrong without an attack are counted and left out of all but `images` and `panels`. Arrays:
    `<dataset>.<network>.<id>.<clean, fgsm, fgm>` float32 [C, H, W].
    """
    images: list[Row] = []
    survival: list[Row] = []
    summary: list[Row] = []
    paired: list[Row] = []
    panels: list[Row] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for dataset, network in request.subjects:
        here = {"dataset": dataset, "network": str(network)}
        request.report(f"first-error: {dataset}, {network}")
        part = test_images(request, dataset, request["samples"])
        classifier = classifier_of(request, dataset, network, part)
        records = _rows(request, classifier, part)
        rows = pd.DataFrame(records)
        images += [{**here, **row} for row in records]
        for attack, held in rows.groupby("attack", sort=False):
            curve, line = _survival(held)
            survival += [{**here, "attack": attack, **point} for point in curve]
            summary.append({**here, "attack": attack, "norm": held["norm"].iloc[0], **line})
        paired += [{**here, **row} for row in _paired(rows, request.seed)]
        shown, pictures = _panels(request, dataset, classifier)
        panels += [{**here, **row} for row in shown]
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in pictures.items()})
    tables = {
        "images": images,
        "survival": survival,
        "summary": summary,
        "paired": paired,
        "panels": panels,
    }
    return Findings({name: tidy(rows) for name, rows in tables.items()}, arrays)


def _rows(request: StudyRequest, classifier: Classifier, images: Images) -> list[Row]:
    """A row an image and attack."""
    found = []
    for attack in NORMS:
        scan = Scan.of(request, attack)
        moved = smallest_step(classifier, images, attack, scan)
        size = sizes(images.x, moved.x)
        for n, image in enumerate(images.ids):
            broken = bool(moved.found[n])
            found.append(
                {
                    "id": int(image),
                    "class": images.classes[images.y[n]],
                    "attack": attack,
                    "norm": "inf" if attack == "fgsm" else "2",
                    "smallest_eps": float(moved.eps[n]) if broken else None,
                    "censored": not broken,
                    "eps_max": scan.eps_max,
                    "becomes": images.classes[moved.predicted[n]] if broken else None,
                    "l2": float(size["l2"][n]) if broken else None,
                    "linf": float(size["linf"][n]) if broken else None,
                }
            )
    return found


def _survival(rows: pd.DataFrame) -> tuple[list[Row], Row]:
    """The Kaplan-Meier curve of an attack's images, and the line of the summary."""
    right = rows[rows["smallest_eps"] != 0]
    value = right["smallest_eps"].fillna(right["eps_max"]).to_numpy(dtype=float)
    censored = right["censored"].to_numpy(dtype=bool)
    line: Row = {
        "n": len(right),
        "censored": int(censored.sum()),
        "already_wrong": len(rows) - len(right),
    }
    median = median_smallest_eps(value, censored)
    line |= {"median": median.value, "median_low": median.low, "median_high": median.high}
    curve = held_out(value, censored)
    points = [
        {"eps": eps, "share": share, "share_low": low, "share_high": high}
        for eps, share, low, high in zip(*curve, strict=True)
    ]
    return points, line


def _paired(rows: pd.DataFrame, seed: int) -> list[Row]:
    """FGM against FGSM over the images that are right and that both break."""
    broken = rows[(rows["smallest_eps"] > 0) & ~rows["censored"]]
    found = []
    for measure, larger, smaller in (("smallest_eps", "fgm", "fgsm"), ("l2", "fgsm", "fgm")):
        both = broken.pivot(index="id", columns="attack", values=measure)
        both = both.reindex(columns=list(NORMS)).dropna()
        above, below = (both[name].to_numpy(dtype=float) for name in (larger, smaller))
        found.append(
            {
                "measure": measure,
                "larger": larger,
                "smaller": smaller,
                **compared(above, below, seed),
            }
        )
    return found


def _panels(
    request: StudyRequest, dataset: str, classifier: Classifier
) -> tuple[list[Row], dict[str, npt.NDArray[np.generic]]]:
    """The image asked for, and the next that is right where that one is wrong already."""
    asked, split = one_image(request, dataset), request["split"]
    shown = {"asked": asked}

    def right(one: Images) -> bool:
        return bool(predictions(classifier, one.x)[0] == one.y[0])

    if not right(asked):
        rest = load_images(dataset, split, request.data_dir)[request["image"] + 1 :]
        ones = (rest[at : at + 1] for at in range(len(rest)))
        following = next(filter(right, ones), None)
        shown |= {} if following is None else {"next right": following}
    rows: list[Row] = []
    pictures: dict[str, npt.NDArray[np.generic]] = {}
    for choice, one in shown.items():
        image = int(one.ids[0])
        predicted, confidence = seen(classifier, one.x)
        pictures[f"{image}.clean"] = one.x[0]
        for row in _rows(request, classifier, one):
            scan = Scan.of(request, row["attack"])
            moved = smallest_step(classifier, one, row["attack"], scan)
            pictures[f"{image}.{row['attack']}"] = moved.x[0]
            rows.append(
                {
                    "split": split,
                    "choice": choice,
                    **row,
                    "predicted": one.classes[predicted[0]],
                    "confidence": confidence[0],
                    "becomes_confidence": moved.confidence[0] if moved.found[0] else None,
                }
            )
    return rows, pictures
