"""Projection onto the L1 ball around an image and the box of images at once."""

from __future__ import annotations

import torch
from torch import Tensor

# rounds of the search for the threshold, which ends after a handful; later ones halve the bracket
NEWTON_ROUNDS, MOST_ROUNDS = 30, 100
# the sum may be this share below eps, never above it
SLACK = 1e-5


def into_l1_box(x: Tensor, moved: Tensor, eps: float) -> Tensor:
    """Return the points nearest to `moved` with L1 distance eps at most to x, within [0, 1].

    x, moved: float32 [N, C, H, W]; x in [0, 1].

    The nearest point (Croce and Hein 2021, Proposition 2.1) shrinks every change by one threshold
    t, not below zero, and stops at the edge of the box: min(max(|u| - t, 0), room), with the sign
    of u. The smallest t whose changes sum up to eps is the root of a function that falls and is
    linear in pieces: Newton's method finds it, kept inside a bracket.
    """
    change = (moved - x).flatten(1)
    flat = x.flatten(1)
    size = change.abs()
    room = torch.where(change > 0, 1 - flat, flat)
    shrunk = torch.minimum(size, room)
    over = (shrunk.sum(1) > eps).nonzero().flatten()
    if len(over):
        size, room = size.index_select(0, over), room.index_select(0, over)
        threshold = _thresholds(size, room, eps)
        shrunk.index_copy_(0, over, (size - threshold).clamp_min_(0).minimum(room))
    return (x + (change.sign_() * shrunk).view_as(x)).clamp_(0, 1)


def _thresholds(size: Tensor, room: Tensor, eps: float) -> Tensor:
    """Return the smallest t [N, 1] at which min(max(size - t, 0), room) [N, D] sums up to eps."""
    result, goal = size.amax(1, keepdim=True), eps * (1 - SLACK / 2)
    rows = torch.arange(len(size), device=size.device)
    low, high, threshold = torch.zeros_like(result), result.clone(), torch.zeros_like(result)
    for n in range(MOST_ROUNDS):
        shrunk = (size - threshold).clamp_min_(0).minimum(room)
        total = shrunk.sum(1, keepdim=True)
        above = total > goal
        low, high = torch.where(above, threshold, low), torch.where(above, high, threshold)
        done = ((total - goal).abs() <= eps * SLACK / 2) | (high - low <= 1e-6 * high)
        result[rows] = torch.where(total <= eps, threshold, high)
        left = (~done).flatten().nonzero().flatten()
        if not len(left):
            break
        if 2 * len(left) <= len(rows):
            rows = rows[left]
            size, room, shrunk, total, low, high, threshold, done = (
                t.index_select(0, left)
                for t in (size, room, shrunk, total, low, high, threshold, done)
            )
        # as many values shrink with the threshold; signs, since sums of booleans are slow
        falling = ((room - shrunk).sign_() * shrunk.sign_()).sum(1, keepdim=True)
        newton = threshold + (total - goal) / falling
        inside = (newton > low) & (newton < high) & (n < NEWTON_ROUNDS)
        nearer = torch.where(inside, newton, (low + high) / 2)
        # an image that is done keeps its threshold: the result must not depend on the others
        threshold = torch.where(done, threshold, nearer)
    return result
