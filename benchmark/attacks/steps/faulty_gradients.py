"""Where a network has no loss gradient: zero in every pixel, NaN or infinite."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.checks import BoolArray
from benchmark.attacks.steps.crafted import Batch
from estimators.autograd import finite_images
from estimators.classifier import Classifier
from estimators.networks.running.kept import fingerprint
from estimators.outputs import finite_rows


def clean_faults(
    classifier: Classifier, clean: Tensor, batch: Batch
) -> tuple[BoolArray, BoolArray]:
    """Return `faults` at the clean images, computed once for all attacks on them.

    Like that it is not counted as a pass of the attack. Both arrays are the caller's own.
    """
    key = ("faults", classifier.kept_as, fingerprint(batch.x, batch.y, batch.ids), batch.seed)
    found = None if classifier.kept is None else classifier.kept.get(key)
    zero, nan = found or faults(classifier, clean, batch)
    if found is None and classifier.kept is not None:
        classifier.kept.put(key, zero.copy(), nan.copy())
    return zero.copy(), nan.copy()


def faults(classifier: Classifier, images: Tensor, batch: Batch) -> tuple[BoolArray, BoolArray]:
    """Return at which images [N] the loss gradient is zero everywhere, and where it has NaN.

    NaN gradients of images whose outputs are NaN already do not count.
    """
    classifier.bind(batch.ids, batch.seed)
    gradient = classifier.input_gradient(images, torch.from_numpy(batch.y).to(images.device))
    zero, nan = (gradient == 0).flatten(1).all(1), ~finite_images(gradient)
    if bool(nan.any()):
        classifier.bind(batch.ids, batch.seed)
        nan &= finite_rows(classifier.logits(classifier.defended(images)))
    return np.asarray(zero.cpu()), np.asarray(nan.cpu())
