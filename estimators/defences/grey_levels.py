"""Fewer grey levels: eight bits, the control that JPEG must beat, and feature squeezing."""

import torch

from estimators.defences.base import TensorDefence, check_images, from_bytes, to_bytes
from estimators.errors import whole


class Quantize(TensorDefence):
    """Truncate 255 x to bytes, as ART's JPEG does (it does not round)."""

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, C, H, W] in [0, 1] at 256 grey levels."""
        return from_bytes(to_bytes(x))

    def code_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Return bytes as they are."""
        return images


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
