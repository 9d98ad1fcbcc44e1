"""What the data are: sheets of samples and class distributions (the paper's Figures 1 to 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmark.studies.request import Findings, StudyRequest
from estimators.data.load import load_images


def compute(request: StudyRequest) -> Findings:
    """Per data set and split: the first images, as many drawn at random, and class counts.

    Tables: `classes` (dataset, split, class, images, share) and `samples` (dataset, split, choice,
    position, id, class). Arrays: `<dataset>.<split>.<choice>` uint8 [images, C, H, W].
    """
    count = request["images"]
    classes: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    arrays = {}
    for dataset in request.datasets:
        for split in ("train", "test"):
            images = load_images(dataset, split, request.data_dir)
            per_class = np.bincount(images.y, minlength=len(images.classes))
            for name, n in zip(images.classes, per_class, strict=True):
                classes.append(
                    {
                        "dataset": dataset,
                        "split": split,
                        "class": name,
                        "images": int(n),
                        "share": n / len(images),
                    }
                )
            wanted = min(count, len(images))
            drawn = np.random.RandomState(request.seed).permutation(len(images))[:wanted]
            for choice, which in (("first", np.arange(wanted)), ("random", drawn)):
                part = images[which]
                arrays[f"{dataset}.{split}.{choice}"] = (part.x * 255).round().astype(np.uint8)
                for position, (image, label) in enumerate(zip(part.ids, part.y, strict=True)):
                    samples.append(
                        {
                            "dataset": dataset,
                            "split": split,
                            "choice": choice,
                            "position": position,
                            "id": int(image),
                            "class": images.classes[label],
                        }
                    )
    return Findings({"classes": pd.DataFrame(classes), "samples": pd.DataFrame(samples)}, arrays)
