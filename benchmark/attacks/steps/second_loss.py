"""Attack a network with squashed outputs again by its margin, and keep the worse of both images.

Cross entropy on top of probabilities saturates: its gradient fades, and the attack stops on images
that it could turn. A classifier says whether its network is such a one (`Classifier.squashed`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.attacks.lookup import attack_entry, attack_norm
from benchmark.attacks.steps.checks import IntArray
from benchmark.attacks.steps.projections import norms
from estimators.classifier import Classifier
from estimators.outputs import predicted_classes
from estimators.spec import Spec


def needs_second_loss(spec: Spec, classifier: Classifier) -> bool:
    """Return whether an attack follows gradients of a network whose outputs are squashed."""
    return classifier.squashed and attack_entry(spec).uses_gradient


def standing(spec: Spec, classifier: Classifier, images: Tensor, labels: IntArray) -> Tensor:
    """Return at which images, bool [N], the attack has not succeeded; their forward pass counts.

    labels: [N], the true ones, or the targets of a targeted attack.
    """
    classifier.forwards += len(images)
    predicted = predicted_classes(classifier.logits(classifier.defended(images)))
    hit = predicted == torch.from_numpy(labels).to(predicted.device)
    # an image with outputs that are no numbers is broken under any attack
    return ~hit & (predicted >= 0) if spec.get("targeted", False) else hit


def second_is_worse(
    spec: Spec, clean: Tensor, first: Tensor, second: Tensor, left: Tensor, also_left: Tensor
) -> Tensor:
    """Return where the second of two images is the worse one, bool [N].

    left, also_left: at which images [N] the first and the second attack failed. Of two that succeed
    the nearer one counts where the attack minimises its distance, else the first.
    """
    better = left & ~also_left
    if not attack_entry(spec).bounded:
        order = float(attack_norm(spec))
        far, near = (norms((images - clean).flatten(1), order) for images in (first, second))
        better = better | (~left & ~also_left & (near < far))
    return better
