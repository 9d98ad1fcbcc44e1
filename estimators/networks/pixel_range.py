"""What the range of the pixels says about how a data set was scaled."""

from __future__ import annotations

import torch

# images that use [0, 1] have brighter pixels than this
DARKEST = 0.02


def range_fault(x: torch.Tensor) -> str | None:
    """Return what is wrong with the range of images [N, C, H, W] in [0, 1]; None for nothing."""
    low, high = float(x.min()), float(x.max())
    if low == high:
        return f"every pixel of {len(x)} images of the data is {low:g}; are they read correctly?"
    if high > DARKEST:
        return None
    seen = f"the largest pixel of {len(x)} images of the data is {high:.3g}"
    if high * 255 <= 1 + 1e-3:
        return f"{seen}, at most 1/255: were they divided by 255 twice? Multiply them by 255"
    return f"{seen}, expected images that use [0, 1]: were they scaled twice? Scale them to [0, 1]"
