"""What a random search proposes to a batch of images, query by query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Proposals(ABC):
    """Images of a search, and changes of them; each image has random numbers of its own.

    x: [N, C, H, W], the images. best: their points so far. eps, norm: the ball.
    keeps_image: whether the first proposal must be better than the image itself.
    """

    keeps_image = True

    def __init__(self, x: Tensor, eps: float, norm: float) -> None:
        self.x, self.best, self.eps, self.norm = x, x.clone(), eps, norm

    @abstractmethod
    def side(self, share: float) -> int:
        """Return the side in pixels of a square that covers this share of an image."""

    @abstractmethod
    def ranges(self, side: int) -> Sequence[int]:
        """Return the ranges of the random numbers for a square; side 0: for the first proposal."""

    @abstractmethod
    def propose(self, side: int, numbers: Tensor) -> Tensor:
        """Return new points [N, C, H, W] from random numbers [N, M]; side 0: the first."""

    @abstractmethod
    def settle(self, better: Tensor) -> None:
        """Take the last proposal at the images [N] where it was better."""

    def keep(self, rows: Tensor) -> None:
        """Keep the images with these numbers; after `settle`."""
        self.x, self.best = self.x.index_select(0, rows), self.best.index_select(0, rows)


def square_places(top: Tensor, left: Tensor, side: int, width: int) -> Tensor:
    """Return the places int64 [N, side * side] of squares in planes [H * W].

    top, left: [N], the first row and column of each square.
    """
    offsets = torch.arange(side, device=top.device)
    square = (offsets[:, None] * width + offsets).flatten()
    return (top * width + left)[:, None] + square
