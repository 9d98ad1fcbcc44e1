"""A corruption as an attacker: it ignores the network and has no budget."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.corruptions.frost_photos import frost_folder
from benchmark.attacks.corruptions.images import Bytes, Corruption, Levels, Streams, as_bytes
from benchmark.attacks.corruptions.kinds import KINDS, ROOM
from benchmark.attacks.corruptions.strengths import SEVERITIES, Strength, published_size, strength
from benchmark.attacks.steps.tensor_attack import TensorAttack
from estimators.classifier import Classifier
from estimators.entries import load_object
from estimators.errors import InputError, whole

CHANNELS = (1, 3)
# values of images that are corrupted at once: 16 MB as float64
AT_ONCE = 1 << 21


def corrupted(x: Bytes, kind: str, severity: int, streams: Streams) -> Bytes:
    """Return corrupted images [N, H, W, C] of images of 1 or 3 channels.

    kind: a name of KINDS. severity: 1 to 5. streams: one per image; an image gets the same random
    numbers in any batch, and those of other severities.
    """
    constants = strength(kind, severity, published_size(*x.shape[1:3]))
    return as_bytes(apply(kind, x, constants, streams))


def apply(kind: str, x: Bytes, constants: Strength, streams: Streams) -> Levels:
    """Return grey levels of images that one kind corrupted with given constants."""
    corruption: Corruption = load_object(f"{ROOM}.{KINDS[kind].code}")
    return corruption(x, constants, streams)


class CorruptionAttack(TensorAttack):
    """Images corrupted as in ImageNet-C, as an attack with ART's interface.

    Images are rounded to bytes first, and corrupted images are bytes too, as in the benchmark.
    """

    def __init__(self, estimator: Classifier, kind: str, severity: int) -> None:
        super().__init__(estimator)
        self._kind = kind
        self._severity = whole("severity", severity, SEVERITIES[0], SEVERITIES[-1])
        channels = int(self.estimator.input_shape[0])
        if channels not in CHANNELS:
            raise InputError(f"attack: expected images of 1 or 3 channels, got {channels}")
        self.stream_part = list(KINDS).index(kind)
        if kind == "frost":
            frost_folder()  # a missing file is found before any work

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Return corrupted images [N, C, H, W] of one batch; labels are not used."""
        images = np.rint(x.cpu().numpy() * 255).astype(np.uint8)
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        size = max(1, AT_ONCE // images[0].size)
        parts = [
            corrupted(images[part], self._kind, self._severity, streams[part])
            for part in (slice(at, at + size) for at in range(0, len(images), size))
        ]
        out = np.ascontiguousarray(np.concatenate(parts).transpose(0, 3, 1, 2))
        return torch.from_numpy(out).to(x) / 255
