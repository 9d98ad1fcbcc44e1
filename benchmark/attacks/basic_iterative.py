"""The basic iterative method: projected gradient descent with steps of one grey level."""

from __future__ import annotations

from typing import Any

from art.attacks.evasion import BasicIterativeMethod

from benchmark.attacks.entry import Params
from estimators.classifier import BATCH, Classifier


def steps(params: Params) -> dict[str, Any]:
    """Return step size and number of steps: those of Kurakin et al. 2017 where none are given.

    A step is one grey level; there are min(e + 4, 1.25 e) of them for e = 255 eps.
    """
    levels = 255 * params["eps"]
    count, size = params["max_iter"], params["eps_step"]
    return {
        "max_iter": max(1, int(min(levels + 4, 1.25 * levels))) if count is None else count,
        "eps_step": min(1 / 255, params["eps"]) if size is None else size,
    }


def stock(classifier: Classifier, **params: Any) -> BasicIterativeMethod:
    """Build ART's own class."""
    return BasicIterativeMethod(classifier, batch_size=BATCH, verbose=False, **params)
