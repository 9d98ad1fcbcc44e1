"""The nearest adversarial image of a linear network within [0, 1], by linear programs.

Independent of the attacks: float64, SciPy's solver for the norms inf and 1, bisection for 2.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from torch import nn

Floats = npt.NDArray[np.float64]


def step_length(x: Floats, normal: Floats, gap: float, norm: float) -> float:
    """Return the smallest norm of d with <normal, d> = gap and x + d in [0, 1]; inf if none."""
    pixels = len(x)
    room = np.where(normal * gap > 0, 1 - x, x)
    if np.abs(normal) @ room < abs(gap):
        return math.inf
    if norm == 2:
        size, low, high = np.abs(normal), 0.0, 1e9
        for _ in range(200):
            middle = (low + high) / 2
            enough = size @ np.minimum(middle * size, room) >= abs(gap)
            low, high = (low, middle) if enough else (middle, high)
        return float(np.linalg.norm(np.minimum(high * size, room)))
    # minimise the sum, or the largest, of bounds u with -u <= d <= u
    bounds = [(-p, 1 - p) for p in x] + [(0, None)] * (pixels if norm == 1 else 1)
    upper = np.eye(pixels) if norm == 1 else np.ones((pixels, 1))
    cost = np.r_[np.zeros(pixels), np.ones(upper.shape[1])]
    inequalities = np.block([[np.eye(pixels), -upper], [-np.eye(pixels), -upper]])
    equality = np.r_[normal, np.zeros(upper.shape[1])][None]
    found = linprog(cost, inequalities, np.zeros(2 * pixels), equality, [gap], bounds)
    assert found.status == 0
    return float(found.fun)


def nearest_in_box(network: nn.Module, x: npt.NDArray[np.float32], norm: float) -> Floats:
    """Return the distance [N] from images to the nearest point where another class ties.

    network: Sequential(Flatten, Linear). x: [N, C, H, W]. The label is the predicted class.
    """
    layer = network[1]
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    flat = x.reshape(len(x), -1).astype(np.float64)
    logits = flat @ weight.T + bias
    found = []
    for image, row in zip(flat, logits, strict=True):
        y = int(row.argmax())
        others = [t for t in range(len(row)) if t != y]
        planes = [(weight[t] - weight[y], row[y] - row[t]) for t in others]
        found.append(min(step_length(image, *plane, norm) for plane in planes))
    return np.array(found)
