"""Random resizing and shifting."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from estimators.defences.base import Ids, RandomDefence, check_images
from estimators.errors import number
from estimators.random_streams import stream


class RandomResize(RandomDefence):
    """Shrink each image by a random factor and put it at a random place on black.

    Xie et al. 2018 enlarge 299 pixels to between 299 and 330 and pad to 331. The networks here
    take one size, so an image keeps its frame and shrinks: its side is uniform between `smallest`
    and 1 times the frame's, by nearest neighbour as theirs, and its place is uniform.
    """

    def __init__(self, smallest: float) -> None:
        super().__init__()
        self.smallest = number("defence resize: smallest", smallest, 0.1, 1)

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return shrunk and shifted images."""
        check_images(x)
        height, width = x.shape[2:]
        low = math.ceil(self.smallest * height)
        resized = []
        for image, i in zip(x.to(torch.float32).split(1), ids, strict=True):
            random = stream(seed, i, "defence", n)
            h = int(random.integers(low, height, endpoint=True))
            w = max(1, round(width * h / height))
            top = int(random.integers(0, height - h, endpoint=True))
            left = int(random.integers(0, width - w, endpoint=True))
            small = functional.interpolate(image, size=(h, w), mode="nearest")
            resized.append(functional.pad(small, (left, width - w - left, top, height - h - top)))
        return torch.cat(resized)
