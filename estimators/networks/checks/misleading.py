"""Tell a gradient that is not the slope of the outputs: attacks that follow it are led astray."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from estimators.networks.checks.probed import ProbedModel

# length of a step along a gradient, as the root mean square over pixels, and the least relative
# change of the outputs that float32 resolves well
STEP, RESOLVED = 1e-3, 1e-4
# share of the rise that a gradient promises, below which it is not that of the outputs, and of the
# images for which that is no accident, as logits in half precision are coarse
KEPT, MOST = 0.5, 0.6


def misleading(probed: ProbedModel) -> str | None:
    """Warn of a gradient that is not the slope of the loss: an attack is led astray by it."""
    gradient = probed.loss_gradient
    if gradient is None:
        return None
    n = len(gradient)
    x, y, out = probed.x[:n], probed.y[:n], probed.out[:n].double()
    length = gradient.double().flatten(1).norm(dim=1)
    size = STEP * math.sqrt(gradient[0].numel())
    scale = size / length.clamp_min(torch.finfo(length.dtype).tiny)
    moved = (x + (gradient.double() * scale[:, None, None, None]).to(x.dtype)).clamp_(0, 1)
    before, after = (
        functional.cross_entropy(z, y, reduction="none")
        for z in (out, probed.outputs(moved).double())
    )
    promised = (gradient.double() * (moved - x)).flatten(1).sum(dim=1)
    # how far the loss is moved by the rounding of the outputs
    slope = (out.softmax(dim=1) - functional.one_hot(y, out.shape[1])).abs().sum(dim=1)
    told = promised > RESOLVED * slope * out.abs().amax(dim=1)
    if not bool(told.any()):
        return None
    shares = ((after - before) / promised)[told].nan_to_num(1.0)
    if float((shares < KEPT).double().mean()) < MOST:
        return None
    share = f"{float(shares.median()):.0%} of what it promises (median of {len(shares)} images)"
    return (
        "its gradient is not that of its outputs: a small step along it raises the loss by"
        f" {share}; look for a backward of its own, a hook on a gradient, or rounding whose"
        " gradient is 1; attacks that follow it can fail where others succeed: rely on one that"
        " needs no gradient, such as square"
    )
