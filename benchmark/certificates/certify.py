"""Prove the margins of a network on images: method, tolerance, parts of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.certificates.graph import Graph
from benchmark.certificates.ibp import ball, on
from benchmark.certificates.registry import CERTIFICATES
from estimators.spec import Spec

# The bounds are computed in float64, whose rounding is ten orders smaller than this part of the
# largest logit (or of 1). It covers the network's own float32, which rounds in the sixth digit: an
# image is proved where its margin is larger.
TOLERANCE = 1e-5
# images that are bounded at once
BATCH = 8


@dataclass(frozen=True)
class Certified:
    """What a method proves of images; every array has one entry per image.

    margin: float64, lower bound of the smallest difference between the logit of the label and
        another one; NaN for an image that is wrong without attack.
    proved: the margin is above the tolerance.
    undecided: ReLUs and pooled values that the bounds leave open, -1 where there is no margin.
    """

    margin: npt.NDArray[np.float64]
    proved: npt.NDArray[np.bool_]
    undecided: npt.NDArray[np.int64]


def certify(
    graph: Graph,
    method: Spec,
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    radius: float,
    batch: int = BATCH,
) -> Certified:
    """Bound the margins of images [N, C, H, W] in [0, 1] within Linf `radius` and the box.

    The margin of an image does not depend on the images beside it, but for the rounding of float64.

    graph: in float64. method: as `method_of` returns it. batch: images that are bounded at once.
    """
    device = next((v.device for n in graph.nodes for v in vars(n.step).values() if _is(v)), "cpu")
    images, wanted = (torch.from_numpy(np.ascontiguousarray(v)) for v in (x, labels))
    images, wanted = images.double().to(device), wanted.long().to(device)
    margin = torch.full((len(images),), torch.nan, dtype=torch.float64, device=device)
    undecided = torch.full((len(images),), -1, dtype=torch.int64, device=device)
    build, params = CERTIFICATES[method.name].load(), method.kwargs
    with torch.no_grad():
        logits = torch.cat([graph.forward(part) for part in images.split(batch)])
        slack = TOLERANCE * logits.abs().amax(1).clamp(min=1)
        right = torch.nonzero(logits.argmax(1) == wanted).flatten()
        around = ball(images, radius)
        for part in right.split(batch) if len(right) else ():
            bounds = build(graph, on(around, part), wanted[part], **params)
            margin[part], undecided[part] = bounds.margin, bounds.undecided
    proved = margin > slack
    return Certified(margin.cpu().numpy(), proved.cpu().numpy(), undecided.cpu().numpy())


def _is(value: object) -> bool:
    return isinstance(value, Tensor)
