"""Robust accuracy against the passes that an attack may spend on an image."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

# a gradient is a forward and a backward pass (AttackBench, Cina et al. 2025)
PASSES = {"gradients": 2, "forwards": 1}


def curve(
    right: npt.NDArray[np.bool_],
    gradients: npt.NDArray[np.float64],
    forwards: npt.NDArray[np.float64],
) -> str:
    """Return the number of images that are right after so many passes each, as JSON.

    right: bool [N], at the end of the attack. gradients, forwards: [N], what each image took until
    it was broken, or in all. The numbers of passes are 1, 2, 5, 10, ... and the largest. Empty
    where only the mean of the images is known: it is no whole number, or it is the same for images
    that were broken and for images that stand.
    """
    spent = PASSES["gradients"] * gradients + PASSES["forwards"] * forwards
    if not len(spent) or not np.array_equal(spent, np.rint(spent)):
        return ""
    most = int(spent.max())
    if most > 1 and spent.min() == most and right.any() and not right.all():
        return ""
    marks = [m * 10**k for k in range(len(str(most))) for m in (1, 2, 5) if m * 10**k < most]
    counts = {str(p): int((right | (spent > p)).sum()) for p in [*marks, most]}
    return json.dumps(counts, separators=(",", ":"))
