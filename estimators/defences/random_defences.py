"""Defences with chance in them: each image has a stream of its own (estimators/randomised.py)."""

from __future__ import annotations

import abc
import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor import TotalVarMin
from torch.nn import functional

from estimators.defences.base import (
    DifferentiableDefence,
    TensorDefence,
    check_images,
    with_gradient_of,
)
from estimators.defences.filters import number, whole
from estimators.defences.randomised import stream
from estimators.errors import InputError

Ids = npt.NDArray[np.int64]


class RandomDefence(DifferentiableDefence):
    """A defence that draws, differentiable by torch draw by draw.

    Called without ids it draws by the image's own content: the same image gets the same draw in
    whatever batch it comes, and any other image, however near, another one. So an attack of ART
    that knows nothing of draws meets chance, and its result can be repeated.
    """

    random = True

    @abc.abstractmethod
    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """The n-th draw for images float32 [N, C, H, W] in [0, 1]; see `Randomised`."""

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """The draw that belongs to the images' content."""
        with torch.no_grad():
            return self.smooth(x)

    def smooth(self, x: torch.Tensor) -> torch.Tensor:
        """The same with a gradient."""
        return self.draw(x, content_ids(x), 0, 0)


class GaussianNoise(RandomDefence):
    """Normal noise at prediction, cut off at [0, 1]: ART's GaussianAugmentation for this use.

    The arithmetic is ART's (sum in float64, then float32); the stream is not ART's, which runs
    through the images in their order. Cohen et al. 2019 call such a network smoothed; a single
    draw, as scored here, is not their certified majority vote.

    Backward it is the identity, also where a pixel is cut off: a black pixel moves the mean over
    draws, and an attacker who believes a single draw's zero is the weaker one.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        super().__init__()
        self.sigma = number("gaussian", "sigma", sigma, 0.0, 10.0)

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Images with noise of standard deviation sigma."""
        check_images(x)
        noise = np.stack([stream(seed, i, n).standard_normal(tuple(x.shape[1:])) for i in ids])
        moved = x.detach().to(torch.float64) + self.sigma * torch.from_numpy(noise).to(x.device)
        seen = moved.to(torch.float32).clamp_(0.0, 1.0)
        return with_gradient_of(x, seen) if x.requires_grad else seen


class RandomResize(RandomDefence):
    """Each image is shrunk by chance and put at a random place on black (Xie et al. 2018).

    They enlarge 299 pixels to between 299 and 330 and pad to 331; the networks here take one size,
    so an image keeps its frame and shrinks: its side is uniform between `smallest` and 1 times
    the frame's, by nearest neighbour as theirs, and so is its place.
    """

    def __init__(self, smallest: float = 0.85) -> None:
        super().__init__()
        self.smallest = number("resize", "smallest", smallest, 0.1, 1.0)

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Shrunk and shifted images."""
        check_images(x)
        height, width = x.shape[2:]
        low = math.ceil(self.smallest * height)
        seen = []
        for image, i in zip(x.to(torch.float32).split(1), ids, strict=True):
            chance = stream(seed, i, n)
            h = int(chance.integers(low, height, endpoint=True))
            w = max(1, round(width * h / height))
            top = int(chance.integers(0, height - h, endpoint=True))
            left = int(chance.integers(0, width - w, endpoint=True))
            small = functional.interpolate(image, size=(h, w), mode="nearest")
            seen.append(functional.pad(small, (left, width - w - left, top, height - h - top)))
        return torch.cat(seen)


class TotalVariation(TotalVarMin):  # type: ignore[misc]  # ART is not typed
    """ART's TotalVarMin (Guo et al. 2018): keeps pixels by chance, smooths the rest.

    ART takes the last axis for the channels whatever the layout, so it must be given [N, H, W, C]
    (of [N, C, H, W] it smooths each column by itself); here images come as [N, C, H, W]. The
    pixels that are kept come from each image's own stream. Backward it is the identity (BPDA).
    """

    random = True

    def __init__(self, prob: float = 0.3, lamb: float = 0.5, norm: int = 2, max_iter: int = 10):
        if norm not in (1, 2):
            raise InputError(f"defence tvm: norm must be 1 or 2, found {norm!r}")
        super().__init__(
            prob=number("tvm", "prob", prob, 0.0, 1.0),
            norm=norm,
            lamb=number("tvm", "lamb", lamb, 0.0, 1000.0),
            max_iter=whole("tvm", "max_iter", max_iter, 1, 10_000),
            clip_values=(0.0, 1.0),
        )

    @torch.no_grad()
    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Smoothed images; without gradient."""
        check_images(x)
        images = x.to(torch.float32).permute(0, 2, 3, 1).cpu().numpy()
        found = np.empty(images.shape, dtype=np.float32)
        for at, i in enumerate(ids):
            kept = stream(seed, i, n).random(images.shape[1:]) < self.prob
            found[at] = self._minimize(images[at], kept.astype(np.int64))
        found.clip(0.0, 1.0, out=found)
        return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous().to(x.device)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """The draw that belongs to the images' content."""
        return self.draw(x, content_ids(x), 0, 0)

    __call__ = TensorDefence.__call__


def content_ids(x: torch.Tensor) -> Ids:
    """A number [N] from 0 up for each image, made of its pixels alone."""
    array: npt.NDArray[Any] = x.detach().to(torch.float32).cpu().contiguous().numpy()
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in array]
    # Philox takes keys from 0 up
    return np.array([int.from_bytes(d, "little") >> 1 for d in digests], dtype=np.int64)
