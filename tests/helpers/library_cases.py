"""Attacks of other libraries on a linear network, judged; skipped where a library is missing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from closed_form import LinearCase
from scipy.special import softmax

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.entry import Passes
from benchmark.attacks.lookup import attack_norm, check_attack
from benchmark.attacks.registry import LIBRARIES
from benchmark.attacks.steps.craft import craft, targets
from estimators.spec import Spec, Value

Params = dict[str, Value]


def need(name: str) -> None:
    """Skip a test whose library is not installed."""
    library = LIBRARIES.get(name.partition(":")[0])
    if library is None:
        return
    try:
        version(library.distribution)
    except PackageNotFoundError:
        pytest.skip(f"{library.family} is not installed ({library.install})")


@dataclass(frozen=True)
class Found:
    """What an attack did to the images of a linear case.

    size: of the perturbations [N], in the attack's norm. success: bool [N]. passes: per image.
    nearer: bool [N], where the share of the label, or the target, in the softmax became larger.
    """

    size: np.ndarray
    success: np.ndarray
    nearer: np.ndarray
    passes: Passes


def found(name: str, case: LinearCase, **params: Value) -> Found:
    """Run an attack, and judge its images."""
    need(name)
    spec = check_attack(Spec.of(name, params))
    ids = np.arange(len(case.x))
    with seeded([0]):
        ((_, made),) = craft([spec], case.classifier, case.x, case.y, ids, 0)
    target = targets(spec, case.y, case.classifier.nb_classes)
    before, after = (case.classifier.predict(x) for x in (case.x, made.images.numpy()))
    predicted = after.argmax(1)
    shares = (softmax(logits, axis=1)[ids, target] for logits in (before, after))
    change = (made.images.numpy() - case.x).reshape(len(ids), -1).astype(np.float64)
    size = np.linalg.norm(change, float(attack_norm(spec)), axis=1)
    success = predicted == target if params.get("targeted") else predicted != case.y
    assert made.images.min() >= 0 and made.images.max() <= 1
    return Found(size, success, np.less(*shares), made.passes)
