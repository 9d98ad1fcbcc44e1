"""The size of a perturbation in any norm, and which sizes leave a bound."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

# float32 rounds a pixel by up to 6e-8, an L1 or L2 norm by about 1e-6 of itself
ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5


def sizes(change: npt.NDArray[np.float32], norm: str) -> npt.NDArray[np.float64]:
    """Return the norm [N] of changes [N, ...]; norm: `inf`, or a number from 0 up as text."""
    flat = change.reshape(len(change), -1)
    order = math.inf if norm == "inf" else float(norm)
    found: npt.NDArray[np.float64] = np.linalg.norm(flat, ord=order, axis=1).astype(np.float64)
    return found


def limit(eps: float, norm: str) -> float:
    """Return the size up to which a perturbation is within the bound eps.

    norm: `inf`, or a number from 0 up as text.
    """
    if norm == "0":
        # a count has no rounding
        return eps
    return eps * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE
