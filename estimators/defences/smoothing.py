"""Spatial smoothing: ART's median filter, faster and with the same results."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from estimators.defences.base import DifferentiableDefence, check_images
from estimators.errors import whole

_CHUNK = 1 << 24  # samples of all windows together: 64 MiB


class Smoothing(DifferentiableDefence):
    """ART's SpatialSmoothing (Xu et al. 2018): the median of each window.

    Bit for bit the same: the border is mirrored with its edge, a window of even size reaches
    further to the left and to the top, and of an even number of values the upper median is taken.

    The surrogate is the median, too. Its derivative is that of the pixel which is the median; where
    several pixels of a window are, they share it equally. In a flat region, where ART's identity
    ignores the window, this is the derivative of the mean.
    """

    def __init__(self, window_size: int) -> None:
        super().__init__()
        self.window_size = whole("defence smoothing: window_size", window_size, 1, 63)

    @torch.no_grad()
    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return the medians of images float32 [N, C, H, W] in [0, 1]."""
        check_images(x)
        if self.window_size == 3:
            return _median_of_nine(self._padded(x.to(torch.float32)))
        if x.device.type == "cpu":
            # sorting windows takes twice the time that SciPy takes
            size = (1, 1, self.window_size, self.window_size)
            array = x.to(torch.float32).numpy()
            return torch.from_numpy(ndimage.median_filter(array, size=size, mode="reflect"))
        return torch.cat([self._median(self._windows(part)) for part in self._parts(x)])

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the medians, with a gradient."""
        parts = []
        for part in self._parts(x):
            windows = self._windows(part)
            with torch.no_grad():
                chosen = windows == self._median(windows).unsqueeze(-1)
                share = chosen / chosen.sum(-1, keepdim=True)
            parts.append((windows * share).sum(-1))
        return torch.cat(parts)

    def _parts(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size = x[0].numel() * self.window_size**2 if len(x) else 1
        return torch.split(x.to(torch.float32), max(1, _CHUNK // size))

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        k = self.window_size
        rows, columns = (
            torch.from_numpy(np.pad(np.arange(size), (k // 2, k - k // 2 - 1), mode="symmetric"))
            for size in x.shape[2:]
        )
        return x[:, :, rows.to(x.device)][:, :, :, columns.to(x.device)]

    def _windows(self, x: torch.Tensor) -> torch.Tensor:
        """Return the windows [N, C, H, W, window pixels]."""
        k = self.window_size
        return self._padded(x).unfold(2, k, 1).unfold(3, k, 1).flatten(4)

    def _median(self, windows: torch.Tensor) -> torch.Tensor:
        return windows.sort(dim=-1).values[..., self.window_size**2 // 2]


def _median_of_nine(x: torch.Tensor) -> torch.Tensor:
    """Return the median of each 3 x 3 window; a column is sorted once for its three windows.

    Of nine values in three sorted columns it is the median of the largest of the smallest, the
    median of the middle ones, the smallest of the largest (Smith 1996).
    """
    above, middle, below = x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]
    smallest, largest = above.minimum(middle).minimum(below), above.maximum(middle).maximum(below)
    columns = (smallest, _median_of_three(above, middle, below), largest)
    low, half, high = ((c[..., :-2], c[..., 1:-1], c[..., 2:]) for c in columns)
    return _median_of_three(
        low[0].maximum(low[1]).maximum(low[2]),
        _median_of_three(*half),
        high[0].minimum(high[1]).minimum(high[2]),
    )


def _median_of_three(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    return a.minimum(b).maximum(a.maximum(b).minimum(c))
