"""Pieces that several studies share: images, classifiers, images under attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.special import softmax

from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.execution.plan import BARE
from benchmark.studies.request import StudyRequest
from estimators.classifier import BATCH, Classifier, Frozen
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.defences.build import build_defence
from estimators.errors import InputError, unknown
from estimators.spec import Spec
from estimators.training.train_or_load import trained_network

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def test_images(request: StudyRequest, dataset: str, samples: int) -> Images:
    """A stratified, seeded subset of the test split; all of it where it has fewer images."""
    images = load_images(dataset, "test", request.data_dir)
    return subset(images, min(samples, len(images)), request.seed)


def class_named(images: Images, name: str, param: str) -> int:
    """The number of the class that a study's parameter names by its name, or by its number."""
    if name in images.classes:
        return images.classes.index(name)
    if name.isdecimal() and int(name) < len(images.classes):
        return int(name)
    raise unknown(f"class in the study parameter {param}", name, images.classes)


def one_image(request: StudyRequest, dataset: str) -> Images:
    """The image that a study's parameters `split` and `image` (its place there) name."""
    split, at = request["split"], request["image"]
    if split not in ("train", "test"):
        raise InputError(f"study parameter split: train or test, found {split!r}")
    images = load_images(dataset, split, request.data_dir)
    if not 0 <= at < len(images):
        raise InputError(
            f"study parameter image: {at} asked for, the {split} split of {dataset} has"
            f" images 0 to {len(images) - 1}"
        )
    return images[at : at + 1]


def network_of(request: StudyRequest, dataset: str, network: Spec) -> torch.nn.Module:
    """The trained network of a subject: shipped, or cached, or trained now."""
    return _trained(dataset, network, request.data_dir, request.device)


@lru_cache(maxsize=8)
def _trained(dataset: str, network: Spec, data_dir: Path | None, device: str) -> torch.nn.Module:
    return trained_network(dataset, network, data_dir, device).network


def classifier_of(
    request: StudyRequest, dataset: str, network: Spec, images: Images, defence: Spec = BARE
) -> Classifier:
    """The trained network of a subject behind a defence."""
    return wrapped(network_of(request, dataset, network), images, defence, request.device)


def wrapped(
    network: torch.nn.Module | Frozen, images: Images, defence: Spec = BARE, device: str = "cpu"
) -> Classifier:
    """Any network for these images behind a defence."""
    return Classifier(network, images.shape, len(images.classes), build_defence(defence), device)


def predictions(classifier: Classifier, x: FloatArray) -> IntArray:
    """Predicted classes [N] of images [N, C, H, W] behind the classifier's defence."""
    found: IntArray = logits(classifier, x).argmax(1)
    return found


def logits(classifier: Classifier, x: FloatArray) -> FloatArray:
    """Logits [N, classes] of images [N, C, H, W] behind the classifier's defence."""
    parts = []
    for start in range(0, len(x), BATCH):
        part = torch.from_numpy(x[start : start + BATCH]).to(classifier.torch_device)
        parts.append(classifier.logits(classifier.defended(part)).cpu().numpy())
    return np.concatenate(parts)


def seen(classifier: Classifier, x: FloatArray) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Predicted classes [N] of images [N, C, H, W], and the softmax of each, in [0, 1]."""
    values = logits(classifier, x)
    found: IntArray = values.argmax(1)
    return found, softmax(values.astype(np.float64), axis=1).max(1)


def tidy(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a frame, its floats with six significant digits: what is meant, and small on disk.

    columns: names for a table that may have no rows.
    """
    table = pd.DataFrame(list(rows), columns=list(columns) or None)
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            table[name] = [float(f"{value:.6g}") for value in table[name]]
    return table


def attacked(
    classifier: Classifier, images: Images, attacks: Sequence[Spec], seed: int = 0
) -> dict[Spec, FloatArray]:
    """Adversarial images [N, C, H, W] of each attack, in chunks of BATCH images.

    attacks: of any kinds; those of one kind that differ in eps alone share their gradient.
    """
    found: dict[Spec, list[FloatArray]] = {}
    families: dict[Spec, list[Spec]] = {}
    for attack in attacks:
        checked = check_attack(attack)
        families.setdefault(checked.without("eps"), []).append(checked)
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        for family in families.values():
            for spec, result in craft(family, classifier, part.x, part.y, part.ids, seed):
                found.setdefault(spec, []).append(result.images.detach().cpu().numpy())
    return {spec: np.concatenate(parts) for spec, parts in found.items()}
