"""Projection onto the L1 ball around an image and the box of images at once."""

from __future__ import annotations

import torch
from torch import Tensor

# rounds of the search for the threshold; it ends after a handful
MOST_ROUNDS = 100
# the sum may be this share below eps, never above it
SLACK = 1e-5


def into_l1_box(x: Tensor, moved: Tensor, eps: float) -> Tensor:
    """Return the points nearest to `moved` with L1 distance eps at most to x, within [0, 1].

    x, moved: float32 [N, C, H, W]; x in [0, 1].

    The nearest point (Croce and Hein 2021, Proposition 2.1) shrinks every change by one threshold
    t, not below zero, and stops at the edge of the box: min(max(|u| - t, 0), room), with the sign
    of u. The smallest t whose changes sum up to eps is the root of a function that falls and is
    linear in pieces: Newton's method finds it, kept inside a bracket that is halved every third
    round.
    """
    change = (moved - x).flatten(1)
    flat = x.flatten(1)
    size = change.abs()
    room = torch.where(change > 0, 1 - flat, flat)
    shrunk = torch.minimum(size, room)
    over = (shrunk.sum(1) > eps).nonzero().flatten()
    if len(over):
        sizes, rooms = size.index_select(0, over), room.index_select(0, over)
        shrunk.index_copy_(0, over, _shrunk(sizes, rooms, eps))
    return (x + (change.sign_() * shrunk).view_as(x)).clamp_(0, 1)


def _shrunk(size: Tensor, room: Tensor, eps: float) -> Tensor:
    """Return min(max(size - t, 0), room) [N, D] with each image's t, where the sum is eps."""
    low, high = torch.zeros_like(size[:, :1]), size.amax(1, keepdim=True)
    threshold, goal = low.clone(), eps * (1 - SLACK / 2)
    for n in range(MOST_ROUNDS):
        left = size - threshold
        shrunk = left.clamp_min(0).minimum(room)
        total = shrunk.sum(1, keepdim=True)
        done = ((total <= eps) & (total >= eps * (1 - SLACK))) | (high - low <= 1e-6 * high)
        if bool(done.all()):
            break
        above = total > goal
        low, high = torch.where(above, threshold, low), torch.where(above, high, threshold)
        active = ((left > 0) & (left < room)).sum(1, keepdim=True)
        newton = threshold + (total - goal) / active
        inside = (newton > low) & (newton < high) & (n % 3 != 2)
        nearer = torch.where(inside, newton, (low + high) / 2)
        # an image that is done keeps its threshold: the result must not depend on the others
        threshold = torch.where(done, threshold, nearer)
    return (size - torch.where(done & (total <= eps), threshold, high)).clamp_min_(0).minimum(room)
