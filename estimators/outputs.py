"""What a network's outputs mean: predicted classes, margins, and outputs that are no numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# the class of an image whose outputs are not all finite: no label equals it
NO_CLASS = -1


def finite_rows(outputs: Tensor) -> Tensor:
    """Return at which images, bool [N], all outputs [N, classes] are finite."""
    return outputs.isfinite().all(dim=1)


def predicted_classes(outputs: Tensor) -> Tensor:
    """Return the classes [N] with the largest outputs [N, classes], int64.

    An image with a NaN or infinite output gets NO_CLASS: `argmax` would call it class 0.
    """
    return outputs.argmax(dim=1).masked_fill_(~finite_rows(outputs), NO_CLASS)


def class_name(classes: tuple[str, ...], predicted: int) -> str:
    """Return the name of a predicted class; `NaN` for NO_CLASS."""
    return "NaN" if predicted == NO_CLASS else classes[predicted]


def logit_margin(outputs: Tensor, own: Tensor, targeted: bool) -> Tensor:
    """Return the label's output minus the largest other [N]; targeted, the negative of that.

    outputs: [N, classes]. own: bool [N, classes], True at the label, or at the target if targeted.

    An image with a NaN or infinite output is no longer right, so its margin is -inf; it does not
    reach a target, so a targeted margin is inf.
    """
    return _margin(outputs[own], outputs.masked_fill(own, -math.inf), outputs, targeted)


def label_margin(outputs: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """Return `logit_margin` [N] for labels, or targets, y [N]."""
    at = y[:, None]
    return _margin(
        outputs.gather(1, at)[:, 0], outputs.scatter(1, at, -math.inf), outputs, targeted
    )


def _margin(label: Tensor, others: Tensor, outputs: Tensor, targeted: bool) -> Tensor:
    """Return the margin of a label's output [N]; others: all outputs [N, K], -inf at the label."""
    other = others.amax(1)
    margin = other - label if targeted else label - other
    # a sum is finite only where every output is
    if bool(outputs.detach().sum().isfinite()):
        return margin
    return torch.where(finite_rows(outputs.detach()), margin, math.inf if targeted else -math.inf)


class MarginLoss(nn.Module):
    """The largest other output minus the label's: its gradient does not depend on their scale.

    Called as `nn.CrossEntropyLoss` is; `reduction` is mean, sum or none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reduction = "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of outputs [N, classes] for labels int [N] or one-hot [N, classes]."""
        if labels.ndim == 1:
            loss = label_margin(outputs, labels.long(), targeted=True)
        else:
            loss = logit_margin(outputs, labels.bool(), targeted=True)
        if self.reduction == "none":
            return loss
        return loss.mean() if self.reduction == "mean" else loss.sum()
