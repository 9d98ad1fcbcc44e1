"""Exact distances to the nearest adversarial image of a linear network, [0, 1] included."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from estimators.classifier import Classifier

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BoxCase:
    """A linear network, and images anywhere in [0, 1], which cuts steps short."""

    classifier: Classifier
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]

    def nearest(self, norm: float) -> Floats:
        """Distance to the nearest point where another class ties with the label [N]; L0: passes."""
        layer = self.classifier.network[1]
        weight, bias = (v.detach().double().numpy() for v in (layer.weight, layer.bias))
        found = []
        for image, label in zip(self.x.reshape(len(self.x), -1).astype(float), self.y, strict=True):
            logits = weight @ image + bias
            others = [k for k in range(len(weight)) if k != label]
            pairs = ((weight[k] - weight[label], logits[label] - logits[k]) for k in others)
            found.append(min(distance(image, away, gap, norm) for away, gap in pairs))
        return np.array(found)


def box_case(
    count: int, seed: int = 0, classes: int = 2, side: int = 12, scale: float = 1.0
) -> BoxCase:
    """A random linear network and random images, of which one value in five is black or white."""
    rng = np.random.default_rng(seed)
    layer = nn.Linear(side * side, classes)
    weight = scale * rng.standard_normal((classes, side * side))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(-0.5 * weight.sum(1)))
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer), (1, side, side), classes)
    x = rng.random((count, 1, side, side), dtype=np.float32)
    x = np.where(rng.random(x.shape) < 0.2, x.round(), x).astype(np.float32)
    return BoxCase(classifier, x, classifier.predict(x).argmax(1).astype(np.int64))


def distance(x: Floats, away: Floats, gap: float, norm: float) -> float:
    """Smallest norm of a change d of x with away @ d >= gap and x + d in [0, 1]; inf if none.

    L0 and L1 are knapsacks: L0 takes the values that contribute most, L1 those with the steepest
    slopes. In L2 and Linf the optimum is min(room, s slope) and min(room, s), with s by bisection.
    """
    slope, room = np.abs(away), np.where(away > 0, 1 - x, x)
    if slope @ room < gap:
        return math.inf
    if norm == 0:
        return 1.0 + int(np.searchsorted(np.sort(slope * room)[::-1].cumsum(), gap))
    if norm == 1:
        order = np.argsort(-slope)
        gained = (slope * room)[order].cumsum()
        k = int(np.searchsorted(gained, gap))
        rest = gap - (gained[k - 1] if k else 0.0)
        return float(room[order][:k].sum() + rest / slope[order][k])
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        change = np.minimum(room, middle * (slope if norm == 2 else 1.0))
        low, high = (low, middle) if slope @ change >= gap else (middle, high)
    return float(np.linalg.norm(np.minimum(room, high * (slope if norm == 2 else 1.0)), norm))
