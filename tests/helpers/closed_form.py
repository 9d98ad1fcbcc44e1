"""A linear network, for which the nearest adversarial images are known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from estimators.classifier import Classifier

SIDE, REACH = 8, 0.4


@dataclass(frozen=True)
class LinearCase:
    """Images close to mid grey (the box is inactive) and a linear network that is right on them.

    l2, linf: float64 [N, classes], distance to the nearest point where class t ties with the
    label: (z_y - z_t) / ||w_y - w_t||, in the L2 and in the dual L1 norm; inf at t = y.
    """

    network: nn.Module
    classifier: Classifier
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    l2: npt.NDArray[np.float64]
    linf: npt.NDArray[np.float64]


def linear_case(count: int, seed: int = 0, scale: float = 1.0, classes: int = 5) -> LinearCase:
    """A random linear network z = scale W (x - 1/2) and images around 1/2 and towards a class."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((classes, SIDE * SIDE))
    towards = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    pixels = 0.05 * rng.standard_normal((count, SIDE * SIDE))
    pixels += REACH * towards[rng.integers(0, classes, count)]
    x = (0.5 + pixels).astype(np.float32).reshape(count, 1, SIDE, SIDE)
    logits = (x.reshape(count, -1) - 0.5) @ weight.T
    y = logits.argmax(axis=1)
    gap = logits[np.arange(count), y][:, None] - logits
    away = weight[y][:, None, :] - weight[None]
    with np.errstate(invalid="ignore"):
        l2, linf = gap / np.linalg.norm(away, axis=2), gap / np.abs(away).sum(axis=2)
    l2[np.arange(count), y] = linf[np.arange(count), y] = np.inf
    layer = nn.Linear(SIDE * SIDE, classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(scale * weight))
        layer.bias.copy_(torch.from_numpy(-0.5 * scale * weight.sum(axis=1)))
    network = nn.Sequential(nn.Flatten(), layer)
    return LinearCase(network, Classifier(network, (1, SIDE, SIDE), classes), x, y, l2, linf)
