"""Total variance minimisation of randomly kept pixels."""

from __future__ import annotations

import numpy as np
import torch
from art.defences.preprocessor import TotalVarMin

from estimators.defences.base import Ids, TensorDefence, check_images, content_ids
from estimators.errors import number, whole
from estimators.random_streams import stream


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
