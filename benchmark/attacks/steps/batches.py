"""Batches of images and labels on the device of a classifier."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmark.attacks.steps.checks import FloatArray, Labels, as_images, as_labels
from estimators.classifier import Classifier


def batches(
    classifier: Classifier, x: FloatArray, y: Labels | None, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of images float32 [n, C, H, W] and labels int64 [n], in their order.

    x: in [0, 1]. y: int [N] or one-hot [N, classes]; never guessed. size: images per batch.

    Raises InputError for other images or labels, before the first batch.
    """
    images = as_images(x)
    labels = as_labels(y, len(images), classifier.nb_classes)
    device = classifier.torch_device
    return zip(
        torch.from_numpy(images).to(device).split(size),
        torch.from_numpy(labels).to(device).split(size),
        strict=True,
    )


def joined(parts: list[torch.Tensor]) -> FloatArray:
    """Return the images of all batches as one array [N, C, H, W]."""
    return torch.cat(parts).cpu().numpy()
