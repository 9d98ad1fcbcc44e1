"""Random signs: the control that every attack must beat."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.checks import BoolArray, FloatArray, IntArray
from benchmark.attacks.steps.crafted import Batch, OneStep
from estimators.classifier import Classifier
from estimators.random_streams import stream


class Noise(OneStep):
    """Every pixel moves up or down by eps, at random: FGSM without its gradient."""

    def __init__(self, estimator: Classifier) -> None:
        self.estimator = estimator

    def direction(self, batch: Batch) -> tuple[Tensor, BoolArray]:
        """Return random signs [N, C, H, W]; no gradient is computed, so none is zero."""
        signs = random_signs(batch.x.shape[1:], batch.ids, batch.seed)
        none = np.zeros(len(batch.x), dtype=np.bool_)
        return torch.from_numpy(signs).to(self.estimator.torch_device), none

    def step(self, x: Tensor, direction: Tensor, eps: float) -> Tensor:
        """Return images x [N, C, H, W] with eps times the signs added, clipped to [0, 1]."""
        return (x + eps * direction).clamp_(0.0, 1.0)


def random_signs(shape: tuple[int, ...], ids: IntArray, seed: int) -> FloatArray:
    """Return signs float32 [N, *shape], each image's from its own stream."""
    streams = [stream(seed, image, "noise") for image in ids.tolist()]
    bits = [own.integers(0, 2, size=shape, dtype=np.int8) for own in streams]
    return (np.stack(bits) * 2 - 1).astype(np.float32)
