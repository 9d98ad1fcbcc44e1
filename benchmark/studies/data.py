"""The data sets: sheets of samples and class distributions (the paper's Figures 1 to 4)."""

from __future__ import annotations

import numpy as np

from benchmark.studies.measures.tables import Tables
from benchmark.studies.request import Array, Findings, StudyRequest


def compute(request: StudyRequest) -> Findings:
    """Show per data set and split the first images, as many random ones, and class counts.

    Tables: `classes` (dataset, split, class, images, share) and `samples` (dataset, split, choice,
    position, id, class). Arrays: `<dataset>.<split>.<choice>` uint8 [images, C, H, W].
    """
    tables = Tables()
    arrays: dict[str, Array] = {}
    for dataset in request.datasets:
        for split in ("train", "test"):
            images = request.images(dataset, split)
            names = {"dataset": dataset, "split": split}
            per_class = np.bincount(images.y, minlength=len(images.classes))
            counts = (
                {"class": name, "images": int(n), "share": n / len(images)}
                for name, n in zip(images.classes, per_class, strict=True)
            )
            tables.add("classes", counts, **names)
            count = min(request["images"], len(images))
            drawn = np.random.RandomState(request.seed).permutation(len(images))[:count]
            for choice, which in (("first", np.arange(count)), ("random", drawn)):
                part = images[which].read()
                arrays[f"{dataset}.{split}.{choice}"] = (part.x * 255).round().astype(np.uint8)
                samples = (
                    {"position": n, "id": int(image), "class": images.classes[label]}
                    for n, (image, label) in enumerate(zip(part.ids, part.y, strict=True))
                )
                tables.add("samples", samples, **names, choice=choice)
    return Findings(tables.frames(rounded=False), arrays)
