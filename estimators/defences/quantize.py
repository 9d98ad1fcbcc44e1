"""Eight bits per pixel and nothing else: the control that JPEG must beat."""

from __future__ import annotations

import torch

from estimators.defences.base import TensorDefence, from_bytes, to_bytes


class Quantize(TensorDefence):
    """Truncate 255 x to bytes, as ART's JPEG does (it does not round)."""

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, C, H, W] in [0, 1] at 256 grey levels."""
        return from_bytes(to_bytes(x))

    def code_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Return bytes as they are."""
        return images
