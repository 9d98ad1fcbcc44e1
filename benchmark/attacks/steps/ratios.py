"""The losses of Auto-PGD that are ratios of differences of logits, and what replaces them."""

from __future__ import annotations

from torch import Tensor

TINY = 1e-12
# fewest classes: with fewer, numerator and denominator may be equal, and the ratio constant
DLR_CLASSES, TARGETED_CLASSES = 3, 4


def dlr(logits: Tensor, margin: Tensor) -> Tensor:
    """Return the DLR loss [N] (Croce and Hein 2020, equation 6).

    logits: [N, K]. margin: [N], the label's logit minus the largest other. With K < 3 the loss is
    the negative margin.
    """
    top = logits.topk(min(3, logits.shape[1]), dim=1).values
    if top.shape[1] < DLR_CLASSES:
        return -margin
    return -margin / (top[:, 0] - top[:, 2] + TINY)


def targeted_dlr(logits: Tensor, margin: Tensor) -> Tensor:
    """Return the targeted DLR loss [N] (equation 7).

    logits: [N, K]. margin: [N], the logit to push down minus that of the target. With K < 4 the
    loss is the negative margin.
    """
    top = logits.topk(min(4, logits.shape[1]), dim=1).values
    if top.shape[1] < TARGETED_CLASSES:
        return -margin
    return -margin / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + TINY)
