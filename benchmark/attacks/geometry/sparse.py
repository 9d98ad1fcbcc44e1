"""Steps and projections for the norms L1 and L0, on tensors.

L0 counts values of an image [C, H, W], not pixels: one that changes in three channels counts as
three, as in the papers and in other libraries.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.attacks.steps.projections import each


def project_l1(step: Tensor, eps: Tensor) -> Tensor:
    """Return the nearest point of the L1 ball for each image's step [N, C, H, W].

    eps: radius [N]; may be infinite. By sorting (Duchi et al. 2008, Figure 1).
    """
    sizes = step.flatten(1).abs()
    ordered = sizes.sort(dim=1, descending=True).values
    places = torch.arange(1, sizes.shape[1] + 1, device=step.device)
    cuts = (ordered.cumsum(1) - eps[:, None]) / places
    kept = (ordered > cuts).sum(1, keepdim=True).clamp_min_(1)
    cut = cuts.gather(1, kept - 1).clamp_min_(0)
    return (sizes - cut).clamp_min_(0).view_as(step).copysign(step)


def project_l0(step: Tensor, count: Tensor) -> Tensor:
    """Return each image's step [N, C, H, W] with its `count` [N] largest values, the others zero.

    Of equal values the first ones stay.
    """
    return step * (ranks(step.abs()) < each(count))


def ranks(sizes: Tensor) -> Tensor:
    """Return for each value of [N, C, H, W] how many of its image come before it, largest first."""
    flat = sizes.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(flat.shape[1], device=sizes.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(sizes)


def saturated(x: Tensor, direction: Tensor, count: Tensor) -> Tensor:
    """Return images x [N, C, H, W] with `count` [N] values moved to 0 or 1 along a direction.

    These are the values that change a function with this gradient most, as if it were linear: the
    optimum in L0 for such a function.
    """
    edge = (direction > 0).to(x.dtype)
    gain = (direction * (edge - x)).abs()
    return torch.where((ranks(gain) < each(count)) & (gain > 0), edge, x)


def filled(x: Tensor, direction: Tensor, eps: Tensor) -> Tensor:
    """Return images x [N, C, H, W] changed along a direction by eps [N] in L1, within [0, 1].

    The values with the steepest slopes move to 0 or 1, the last one as far as eps allows: the
    optimum in L1 for a function with this gradient.
    """
    edge = (direction > 0).to(x.dtype)
    room = (edge - x).abs() * (direction != 0)
    order = direction.abs().flatten(1).argsort(dim=1, descending=True, stable=True)
    ordered = room.flatten(1).gather(1, order)
    before = ordered.cumsum(1) - ordered
    moved = (eps[:, None] - before).clamp_min_(0).minimum(ordered)
    size = torch.zeros_like(moved).scatter_(1, order, moved).view_as(x)
    return (x + size * direction.sign()).clamp_(0, 1)
