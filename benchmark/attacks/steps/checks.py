"""Check the arguments of attacks; each error is one line."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from estimators.classifier import Classifier
from estimators.errors import InputError
from reports.results.norms import norm_text

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.generic]
# more steps, queries or restarts than any run finishes
MOST_STEPS = 10**9


def as_classifier(estimator: object) -> Classifier:
    """Return the estimator; InputError unless it is this project's Classifier."""
    if not isinstance(estimator, Classifier):
        raise InputError(f"attack: expected a Classifier, got {type(estimator).__name__}")
    return estimator


def as_images(x: npt.NDArray[np.generic]) -> FloatArray:
    """Return images as contiguous float32 [N, C, H, W].

    Raises InputError for another shape, NaN, or pixels outside [0, 1].
    """
    images = np.ascontiguousarray(x, dtype=np.float32)
    if images.ndim != 4 or not len(images):
        raise InputError(f"attack: expected images [N, C, H, W], got {list(images.shape)}")
    # NaN compares as False, so this catches it too
    if not (images.min() >= 0 and images.max() <= 1):
        raise InputError("attack: pixels must lie in [0, 1]")
    return images


def as_labels(y: Labels | None, count: int, classes: int) -> IntArray:
    """Return labels as int64 [N], from int [N] or one-hot [N, classes]; never guessed.

    Without labels ART attacks the predicted ones, which turns misclassified images back to
    correct ones once they are scored on the true labels; so None raises InputError.
    """
    if y is None:
        raise InputError("attack: the true labels y are missing (or the targets, if targeted)")
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == classes:
        labels = labels.argmax(axis=1)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        shown = f"{labels.dtype} {list(labels.shape)}"
        raise InputError(f"attack: expected y to be {count} integers, got {shown}")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"attack: y must lie in 0 to {classes - 1}")
    return labels.astype(np.int64)


def as_norm(norm: float | str) -> float:
    """Return a norm's order as a Python float; InputError unless it is "inf", 0 or at least 1.

    A text may be of any form that `norm_text` knows. Order 0 counts the values that change.
    """
    text = norm_text(norm)
    order = _number(text)
    if not (order >= 1 or text == "0") or (order == math.inf and text != "inf"):
        raise InputError(f'attack: expected norm to be "inf", 0 or at least 1, got {norm!r}')
    return order


def as_two_or_inf(norm: float | str, attack: str) -> float:
    """Return the order of the norm in which an attack steps; InputError unless it is "inf" or 2."""
    order = as_norm(norm)
    if order not in (2.0, math.inf):
        raise InputError(f'attack: {attack} expected the norm "inf" or 2, got {norm!r}')
    return order


def as_budget(eps: float, name: str = "eps") -> float:
    """Return a budget as a Python float; InputError unless it is finite and not negative.

    Never an np.float64: as a factor it would promote float32 images to float64.
    """
    budget = _number(eps)
    if not 0 <= budget < math.inf:
        raise InputError(f"attack: expected {name} to be finite and not negative, got {eps!r}")
    return budget


def as_positive(value: float, name: str) -> float:
    """Return a finite positive number as a Python float; InputError otherwise."""
    if not as_budget(value, name) > 0:
        raise InputError(f"attack: expected {name} to be positive, got {value!r}")
    return float(value)


def as_count(value: int, name: str, least: int) -> int:
    """Return an integer from `least` to MOST_STEPS; InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(
            f"attack: expected {name} to be an integer of at least {least}, got {value!r}"
        )
    if value > MOST_STEPS:
        raise InputError(f"attack: expected {name} to be at most {MOST_STEPS:,}, got {value!r}")
    return int(value)


def as_flag(value: bool, name: str) -> bool:
    """Return True or False; InputError otherwise."""
    if not isinstance(value, bool):
        raise InputError(f"attack: expected {name} to be True or False, got {value!r}")
    return value


def _number(value: float | str) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
