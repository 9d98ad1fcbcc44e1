"""Feature squeezing: fewer grey levels."""

from __future__ import annotations

import torch

from estimators.defences.base import TensorDefence, check_images
from estimators.errors import whole


class Squeezing(TensorDefence):
    """ART's FeatureSqueezing (Xu et al. 2018): each pixel at 2^bit_depth levels.

    Computed in float64 as by ART, but returned in float32.
    """

    def __init__(self, bit_depth: int) -> None:
        super().__init__()
        self.bit_depth = whole("defence squeezing: bit_depth", bit_depth, 1, 24)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return images float32 [N, C, H, W] in [0, 1], rounded to the levels, halves to even."""
        check_images(x)
        # a tensor, because CUDA turns division by a number into a product that rounds differently
        top = torch.tensor(2.0**self.bit_depth - 1, dtype=torch.float64, device=x.device)
        return (x.to(torch.float64) * top).round_().div_(top).to(torch.float32)
