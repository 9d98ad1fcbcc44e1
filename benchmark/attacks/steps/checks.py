"""What every attack here checks before it starts; each error is one line."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from estimators.classifier import Classifier
from estimators.errors import InputError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.generic]


def as_classifier(estimator: object) -> Classifier:
    """The estimator, if it is this project's Classifier; raises InputError otherwise."""
    if not isinstance(estimator, Classifier):
        raise InputError(f"attack: needs a Classifier, found {type(estimator).__name__}")
    return estimator


def as_images(x: npt.NDArray[np.generic]) -> FloatArray:
    """Images as contiguous float32 [N, C, H, W].

    Raises InputError for another shape, NaN, or pixels outside [0, 1].
    """
    images = np.ascontiguousarray(x, dtype=np.float32)
    if images.ndim != 4 or not len(images):
        raise InputError(f"attack: images must be [N, C, H, W], found {list(images.shape)}")
    # NaN compares as False, so this catches it too
    if not (images.min() >= 0 and images.max() <= 1):
        raise InputError("attack: pixels must lie in [0, 1]")
    return images


def as_labels(y: Labels | None, count: int, classes: int) -> IntArray:
    """Labels as int64 [N], from int [N] or one-hot [N, classes]; never guessed.

    Without labels ART attacks the predicted ones, which turns misclassified images back to
    correct ones once they are scored on the true labels; so None raises InputError.
    """
    if y is None:
        raise InputError("attack: the true labels y are missing (or the targets, if targeted)")
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == classes:
        labels = labels.argmax(axis=1)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"attack: y must be {count} integers, found {labels.dtype} {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"attack: y must lie in 0 to {classes - 1}")
    return labels.astype(np.int64)


def as_norm(norm: float | str) -> float:
    """A norm's order as a Python float; raises InputError unless it is "inf" or at least 1."""
    order = _number(norm)
    if not order >= 1:
        raise InputError(f'attack: norm must be "inf" or a number of at least 1, found {norm!r}')
    return order


def as_two_or_inf(norm: float | str, attack: str) -> float:
    """The order of a norm in which an attack steps; raises InputError unless it is "inf" or 2."""
    order = as_norm(norm)
    if order not in (2.0, math.inf):
        raise InputError(f'attack: {attack} knows the norms "inf" and 2, found {norm!r}')
    return order


def as_budget(eps: float, name: str = "eps") -> float:
    """A budget as a Python float; raises InputError unless it is finite and not negative.

    Never an np.float64: as a factor it would promote float32 images to float64.
    """
    budget = _number(eps)
    if not 0 <= budget < math.inf:
        raise InputError(f"attack: {name} must be finite and not negative, found {eps!r}")
    return budget


def as_count(value: int, name: str, least: int) -> int:
    """A whole number of at least `least`; raises InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"attack: {name} must be an integer of at least {least}, found {value!r}")
    return int(value)


def as_flag(value: bool, name: str) -> bool:
    """True or False; raises InputError otherwise."""
    if not isinstance(value, bool):
        raise InputError(f"attack: {name} must be True or False, found {value!r}")
    return value


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
