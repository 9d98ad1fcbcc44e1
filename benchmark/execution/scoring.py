"""Predictions behind the defences of a task: once, or in several draws of a random defence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.grids.cell import Cell
from estimators.classifier import Classifier
from estimators.defences.base import Ids, from_bytes, to_bytes
from estimators.defences.build import byte_coder
from estimators.networks.running.kept import Kept, fingerprint
from estimators.outputs import predicted_classes
from estimators.random_streams import scoring_seed
from estimators.spec import Spec

# a network and the defence in front of it
ScorerKey = tuple[Spec, Spec]
Scorers = Mapping[ScorerKey, Classifier]
Classes = npt.NDArray[np.signedinteger[Any]]


def scorer_key(cell: Cell) -> ScorerKey:
    """Return the network and the defence that a cell is scored on."""
    return cell.network, cell.defence


def scorings(cells: Iterable[Cell]) -> dict[ScorerKey, int]:
    """Return how often each network and defence of some cells is asked, without attack or under."""
    most: dict[ScorerKey, int] = {}
    for cell in cells:
        most[scorer_key(cell)] = max(cell.scorings, most.get(scorer_key(cell), 1))
    return most


def predictions(
    scorers: Scorers, draws: Mapping[ScorerKey, int], x: Tensor, ids: Ids, seed: int
) -> dict[ScorerKey, Classes]:
    """Return the classes [N, draws] predicted for images x [N, C, H, W], behind each defence.

    draws: how often each scorer is asked; of more than one the defence must draw. Column n is the
        scoring draw n (`random_streams.scoring_seed`), whatever the number of draws.
    ids, seed: decide what a random defence draws, image by image.

    NO_CLASS stands for outputs that are not all finite.
    """
    columns: dict[ScorerKey, list[Classes]] = {key: [] for key in draws}
    for n in range(max(draws.values())):
        asked = {key: scorers[key] for key, count in draws.items() if n < count}
        for classifier in asked.values():
            classifier.bind(ids, scoring_seed(seed, n))
        for key, classes in _once(asked, x).items():
            columns[key].append(classes)
    return {key: np.stack(drawn, axis=1) for key, drawn in columns.items()}


def clean_predictions(
    shared: Kept,
    dataset: str,
    scorers: Scorers,
    draws: Mapping[ScorerKey, int],
    x: Tensor,
    ids: Ids,
    seed: int,
) -> dict[ScorerKey, Classes]:
    """Return `predictions` for clean images, each computed once for all tasks that need it."""
    images = fingerprint(x.cpu().numpy(), ids)
    keys = {key: ("clean", dataset, key, images, seed) for key in draws}
    known = {key: found[0] for key in draws if (found := shared.get(keys[key])) is not None}
    # more draws contain fewer
    missing = {
        key: count
        for key, count in draws.items()
        if key not in known or known[key].shape[1] < count
    }
    if missing:
        for key, classes in predictions(scorers, missing, x, ids, seed).items():
            shared.put(keys[key], classes)
            known[key] = classes
    return known


def by_draw(
    label: npt.NDArray[np.int64], clean: Classes, adversarial: Classes, draws: int
) -> dict[str, Any]:
    """Return the columns of an `Outcome` that predictions [N, draws or more] of a cell give.

    label: true classes [N].
    """
    first = {"clean": clean[:, 0].copy(), "adversarial": adversarial[:, 0].copy()}
    if draws == 1:
        return first
    clean, adversarial = clean[:, :draws], adversarial[:, :draws]
    hits = (adversarial == label[:, None]).sum(1, dtype=np.int16)
    more = {"more_clean": clean[:, 1:].copy(), "more_adversarial": adversarial[:, 1:].copy()}
    return {**first, **more, "hits": hits}


def _once(scorers: Scorers, x: Tensor) -> dict[ScorerKey, Classes]:
    """Return predicted classes [N] behind each defence; those that code bytes share the bytes."""
    bytes_of_x: Tensor | None = None
    predicted = {}
    for key, classifier in scorers.items():
        coder = byte_coder(classifier.defence)
        if coder is None:
            seen = classifier.defended(x)
        else:
            bytes_of_x = to_bytes(x) if bytes_of_x is None else bytes_of_x
            seen = from_bytes(coder(bytes_of_x))
        classes = predicted_classes(classifier.logits(seen))
        predicted[key] = kept(classes.to(_class_type(classifier.nb_classes)))
    return predicted


def _class_type(classes: int) -> torch.dtype:
    """Return the narrowest integers, of 16 bits or more, that hold the classes 0 to classes - 1."""
    return torch.int16 if classes <= 1 << 15 else torch.int32


def kept(values: Tensor) -> npt.NDArray[Any]:
    """Copy a tensor that outlives its chunk into memory of NumPy.

    Between large tensors that torch frees it would block that memory: 7 kB per image.
    """
    return values.cpu().numpy().copy()
