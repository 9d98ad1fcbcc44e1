"""Gaussian noise at prediction."""

from __future__ import annotations

import numpy as np
import torch

from estimators.defences.base import Ids, RandomDefence, check_images, with_gradient_of
from estimators.errors import number
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
