"""Whether a network's answers are right in another order of the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from estimators.networks.advice.repair import Repair

IntArray = npt.NDArray[np.int64]
# what distinguishes a permutation from luck: the share that is right in it, what it gains, and how
# many images a class has. Guesses on three images per class reach 0.4 in their best order.
SHARE, GAIN, PER_CLASS = 0.6, 0.25, 3
_SHOWN = 3


def order_hint(predicted: IntArray, y: IntArray, classes: Sequence[str]) -> Repair | None:
    """Return the order of classes in which the predictions are right; None where there is none.

    predicted, y: output with the largest logit [N], and class [N].
    classes: names of the classes, in the order of y.
    """
    now, n = int((predicted == y).sum()), len(y)
    least = max(SHARE * n, now + GAIN * n)
    for text, order in _named_orders(classes):
        right = int((order[predicted] == y).sum())
        if right >= least:
            return Repair(right, f"{right} of {n} would be right {text}")
    for shift in (1, -1):
        right = int((predicted - shift == y).sum())
        if right >= least:
            back = "-" if shift > 0 else "+"
            return Repair(
                right,
                f"{right} of {n} would be right if output k stood for class k {back} 1 (background"
                " class first, or labels that count from 1)",
            )
    pairs, right = _best_order(predicted, y)
    if right < least:
        return None
    other = [(label, out) for label, out in pairs if label != out]
    shown = ", ".join(
        f"output {out} for class {label} ({classes[label]})" for label, out in other[:_SHOWN]
    )
    more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
    text = f"{right} of {n} would be right with its outputs in another order: {shown}{more}"
    return Repair(right, text)


def _named_orders(classes: Sequence[str]) -> list[tuple[str, IntArray]]:
    """Return the usual orders of names that differ from the present one: output -> class."""
    each = range(len(classes))
    as_text = sorted(each, key=lambda k: classes[k])
    natural = sorted(each, key=lambda k: _natural(classes[k]))
    found = []
    for kind, order in (("sorted as text", as_text), ("in the order of their numbers", natural)):
        if order != list(each):
            first = ", ".join(classes[k] for k in order[:4])
            found.append((f"with the classes {kind} ({first}, ...)", np.array(order, np.int64)))
    return found


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]


def _best_order(predicted: IntArray, y: IntArray) -> tuple[list[tuple[int, int]], int]:
    """Return the best (class, output) pairs, and how many images are right with them.

    Only classes of several images count.
    """
    labels, sizes = np.unique(y, return_counts=True)
    labels = labels[sizes >= PER_CLASS]
    outputs = np.unique(predicted)
    counts = [[int(((y == k) & (predicted == o)).sum()) for o in outputs] for k in labels]
    if not counts:
        return [], 0
    matrix = np.array(counts)
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    pairs = [(int(labels[r]), int(outputs[c])) for r, c in zip(rows, columns, strict=True)]
    return pairs, int(matrix[rows, columns].sum())
