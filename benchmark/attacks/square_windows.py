"""The Square attack in L2 and L1: what a window of pixels has moves into another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from benchmark.attacks.geometry.l1_box import into_l1_box
from benchmark.attacks.steps.proposals import Proposals, square_places

# the first proposal has so many windows in a row and in a column, where there is room
TILES = 5
# smallest side of a window
LEAST_SIDE = 3
TINY = 1e-12
# the weights of a bump fall with this power of the distance from its middle, by norm
FALL = {2.0: 2, 1.0: 4}


class Windows(Proposals):
    """A bump takes the size of the changes in two windows (Andriushchenko et al. 2020).

    Algorithm 3 for L2, and for L1 as in the authors' code: the change in one window, made unit,
    plus a bump of random signs, gets the norm of both windows and what is left to eps; the other
    window becomes that of the image. Then the whole change has the norm eps.
    """

    keeps_image = False

    def __init__(self, x: Tensor, eps: float, norm: float) -> None:
        super().__init__(x, eps, norm)
        self.trial = self.best

    def side(self, share: float) -> int:
        """Return the odd side of a window that covers this share of an image."""
        height, width = self.x.shape[2:]
        side = max(round(math.sqrt(share * height * width)), LEAST_SIDE)
        return min(side + (side % 2 == 0), height, width)

    def ranges(self, side: int) -> Sequence[int]:
        """Return those of two rows and columns, of the way a bump lies, and of its signs."""
        channels, height, width = self.x.shape[1:]
        if not side:
            return [2] * (len(self._tiles()) * (1 + channels))
        places = [height - side + 1, width - side + 1]
        return [*places, *places, *[2] * (1 + channels)]

    def propose(self, side: int, numbers: Tensor) -> Tensor:
        """Return the points with one window's change moved into another; first, with bumps."""
        change = self._moved(side, numbers) if side else self._bumps(numbers)
        if self.norm == 1:
            self.trial = into_l1_box(self.x, self.x + change, self.eps)
        else:
            length = _size(change.flatten(1), 2.0)[:, :, None, None] + TINY
            self.trial = change.mul_(self.eps / length).add_(self.x).clamp_(0, 1)
        return self.trial

    def settle(self, better: Tensor) -> None:
        """Take the trial where it was better."""
        rows = better.nonzero().flatten()
        self.best.index_copy_(0, rows, self.trial.index_select(0, rows))

    def _tiles(self) -> list[tuple[int, int]]:
        """Return the rows and columns where the bumps of the first proposal begin."""
        height, width = self.x.shape[2:]
        side = self._tile_side()
        rows, columns = (
            range((length - length // side * side) // 2, length - side + 1, side)
            for length in (height, width)
        )
        return [(row, column) for row in rows for column in columns]

    def _tile_side(self) -> int:
        return max(min(self.x.shape[2:]) // TILES, 1)

    def _bumps(self, numbers: Tensor) -> Tensor:
        """Return a change that is a bump in each tile."""
        n, channels = self.x.shape[:2]
        side, change = self._tile_side(), torch.zeros_like(self.x)
        drawn = numbers.view(n, -1, 1 + channels)
        for tile, (top, left) in enumerate(self._tiles()):
            bump = self._bump(side, drawn[:, tile, 0], drawn[:, tile, 1:])
            change[:, :, top : top + side, left : left + side] = bump.view(n, channels, side, side)
        return change

    def _moved(self, side: int, numbers: Tensor) -> Tensor:
        """Return the change of the best points after a step with two windows."""
        n, channels, _, width = self.x.shape
        change = self.best - self.x
        left_over = (self.eps**self.norm - _power(change.flatten(1), self.norm)).clamp_min_(0)
        planes = change.view(n, channels, -1)
        into, out_of = (
            square_places(numbers[:, i], numbers[:, i + 1], side, width)[:, None].expand(
                -1, channels, -1
            )
            for i in (0, 2)
        )
        old = planes.gather(2, into)
        planes.scatter_(2, into, 0.0)
        power = _power(old, self.norm) + _power(planes.gather(2, out_of), self.norm)
        planes.scatter_(2, out_of, 0.0)
        new = self._bump(side, numbers[:, 4], numbers[:, 5:])
        new = new + old / (TINY + _size(old, self.norm))
        power = power + left_over[:, :, None] / channels
        if self.norm == 1:
            power = power * channels  # more than eps, for the projection
        new = new / (TINY + _size(new, self.norm)) * power ** (1 / self.norm)
        planes.scatter_(2, into, new)
        return change

    def _bump(self, side: int, way: Tensor, signs: Tensor) -> Tensor:
        """Return bumps [N, C, side * side] that lie one way or the other [N], by signs [N, C]."""
        both = bumps(side, self.norm).to(way.device)
        return both[way][:, None] * (2 * signs - 1)[:, :, None]


@cache
def bumps(side: int, norm: float) -> Tensor:
    """Return two bumps float32 [2, side * side]: a positive and a negative half, of norm 1.

    The halves lie one above the other, then side by side.
    """
    half = side // 2
    both = torch.cat([_half_bump(half, side, norm), -_half_bump(side - half, side, norm)])
    both = both / _size(both.flatten(), norm)
    return torch.stack([both.flatten(), both.T.flatten()])


def _half_bump(height: int, width: int, norm: float) -> Tensor:
    """Return a bump float32 [height, width] of norm 1: squares around its middle, added up.

    The k-th reaches k - 1 pixels far and counts 1 / k^FALL.
    """
    rows = (torch.arange(height) - height // 2).abs()[:, None]
    distance = torch.maximum(rows, (torch.arange(width) - width // 2).abs())
    count = max(height // 2, width // 2) + 1
    weights = 1 / torch.arange(1, count + 1, dtype=torch.float32) ** FALL[norm]
    bump = weights.flip(0).cumsum(0).flip(0)[distance]
    return bump / _size(bump.flatten(), norm)


def _power(values: Tensor, norm: float) -> Tensor:
    """Return the sum [..., 1] of the powers of values [..., D]."""
    return (values.abs() if norm == 1 else values.square()).sum(-1, keepdim=True)


def _size(values: Tensor, norm: float) -> Tensor:
    """Return the norm [..., 1] of values [..., D]."""
    return _power(values, norm) ** (1 / norm)
