"""Defences that draw: Gaussian noise, random resizing, total variance minimisation."""

import math

import numpy as np
import torch
from art.defences.preprocessor import TotalVarMin
from torch.nn import functional

from estimators.defences.base import (
    Ids,
    RandomDefence,
    TensorDefence,
    check_images,
    content_ids,
    with_gradient_of,
)
from estimators.errors import number, whole
from estimators.random_streams import stream


class GaussianNoise(RandomDefence):
    """Add normal noise at prediction and clip to [0, 1], as ART's GaussianAugmentation.

    The arithmetic is ART's (sum in float64, then float32). The stream is not: ART's runs through
    the images in their order. Cohen et al. 2019 call such a network smoothed; a single draw, as
    scored here, is not their certified majority vote.

    The backward pass is the identity, also where a pixel is clipped: a black pixel moves the mean
    over draws, and an attacker who takes a single draw's zero for the gradient is weaker.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = number("defence gaussian: sigma", sigma, 0, 10)

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return images with noise of standard deviation sigma."""
        check_images(x)
        shape = tuple(x.shape[1:])
        noise = np.stack([stream(seed, i, "defence", n).standard_normal(shape) for i in ids])
        moved = x.detach().to(torch.float64) + self.sigma * torch.from_numpy(noise).to(x.device)
        noisy = moved.to(torch.float32).clamp_(0.0, 1.0)
        return with_gradient_of(x, noisy) if x.requires_grad else noisy


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


class TotalVariation(TotalVarMin):  # type: ignore[misc]  # ART is not typed
    """ART's TotalVarMin (Guo et al. 2018): keeps random pixels and smooths the rest.

    ART takes the last axis for the channels whatever the layout, so it needs [N, H, W, C] (of
    [N, C, H, W] it smooths each column by itself); here images are [N, C, H, W]. Each image's own
    stream chooses the pixels that are kept. The backward pass is the identity (BPDA).
    """

    random = True

    def __init__(self, prob: float, lamb: float, norm: int, max_iter: int) -> None:
        super().__init__(
            prob=number("defence tvm: prob", prob, 0, 1),
            norm=whole("defence tvm: norm", norm, 1, 2),
            lamb=number("defence tvm: lamb", lamb, 0, 1000),
            max_iter=whole("defence tvm: max_iter", max_iter, 1, 10_000),
            clip_values=(0.0, 1.0),
        )

    @torch.no_grad()
    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return smoothed images, without gradient."""
        check_images(x)
        images = x.to(torch.float32).permute(0, 2, 3, 1).cpu().numpy()
        result = np.empty(images.shape, dtype=np.float32)
        for row, i in enumerate(ids):
            kept = stream(seed, i, "defence", n).random(images.shape[1:]) < self.prob
            result[row] = self._minimize(images[row], kept.astype(np.int64))
        result.clip(0.0, 1.0, out=result)
        return torch.from_numpy(result).permute(0, 3, 1, 2).contiguous().to(x.device)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return the draw that belongs to the content of the images."""
        return self.draw(x, content_ids(x), 0, 0)

    __call__ = TensorDefence.__call__
