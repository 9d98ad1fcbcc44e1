"""The shortest step onto a hyperplane within the box [0, 1]^D, in the norms inf, 2 and 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Newton's method ends after a few steps; each passes a pixel that has reached the box, or ends
MOST_STEPS = 100


def step_to_plane(x: Tensor, normal: Tensor, gap: Tensor, norm: float) -> Tensor:
    """Return the steps d [N, D] of the smallest norm with <normal, d> = gap and x + d in [0, 1].

    x: points in the box [N, D]. normal: [N, D]. gap: [N], of any sign. norm: inf, 2 or 1.

    Where the plane misses the box, d leads to the corner of the box that is nearest to it. Where
    the normal is zero, d is zero. (Croce and Hein 2020, "Minimally distorted adversarial examples
    with a fast adaptive boundary attack", section 2.3 states the three problems.)
    """
    away = normal * each_sign(gap)
    # every pixel moves along `away`, so its room is the way to one side of the box
    size, room = away.abs(), torch.where(away > 0, 1 - x, x)
    if norm == 1:
        moved = _steepest_first(size, room, gap.abs())
    elif norm == 2:
        # a pixel moves by level * size, as far as it has room
        limits = torch.where(size > 0, room / size, 0.0)
        level = _water_level(size.square(), limits, gap.abs())
        moved = torch.minimum(level[:, None], limits).mul_(size)
    else:
        moved = torch.minimum(_water_level(size, room, gap.abs())[:, None], room)
    return moved.mul_(away.sign())


def each_sign(values: Tensor) -> Tensor:
    """Return +1 or -1 per value [N] as [N, 1]; +1 for zero."""
    return torch.where(values < 0, -1.0, 1.0)[:, None]


def _water_level(weights: Tensor, limits: Tensor, need: Tensor) -> Tensor:
    """Return the level t [N] at which sum_i weights_i min(t, limits_i) = need; inf if none does.

    weights, limits: [N, D], not negative. need: [N], not negative.

    The sum is concave and piecewise linear in t, so Newton's method from below never passes the
    solution, and is exact once no further limit lies on its way.
    """
    level = torch.zeros_like(need)
    for _ in range(MOST_STEPS):
        reached = torch.minimum(limits, level[:, None]).mul_(weights).sum(1)
        slope = weights.where(limits > level[:, None], 0.0).sum(1)
        further = torch.where(need > reached, level + (need - reached) / slope, level)
        # below the precision of the sum there is nothing left to gain
        if bool((further <= level * (1 + 1e-6)).all()):
            break
        level = further
    return level


def _steepest_first(size: Tensor, room: Tensor, need: Tensor) -> Tensor:
    """Return how far [N, D] pixels move in L1: those with the largest slopes first, to the box."""
    slopes, order = size.sort(dim=1, descending=True)
    gains = slopes * room.gather(1, order)
    before = gains.cumsum(1) - gains
    used = (need[:, None] - before).clamp_min_(0).minimum(gains)
    moved = torch.where(slopes > 0, used / slopes, 0.0)
    return torch.zeros_like(moved).scatter_(1, order, moved)


def dual(norm: float) -> float:
    """Return the order of the dual norm of inf, 2 or 1."""
    return {math.inf: 1.0, 2.0: 2.0, 1.0: math.inf}[norm]
