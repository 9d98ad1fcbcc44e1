"""Some classes of ART attack a classifier that they make themselves from the one they get."""

from __future__ import annotations

from typing import Any

import numpy as np
from art.attacks.attack import EvasionAttack

from estimators.classifier import Classifier
from estimators.data.images import FloatArray


def with_finite_gradients(attack: EvasionAttack, classifier: Classifier) -> EvasionAttack:
    """Return an attack whose own classifier, if it made one, has gradients without NaN.

    Such are ART's AutoProjectedGradientDescent and its relatives. During `classifier.margin_loss`
    they follow the margin, too. Gradients that are finite stay as they are, and are not counted.
    """
    inner = attack.estimator
    if inner is classifier or not hasattr(inner, "loss_gradient"):
        return attack
    original = inner.loss_gradient

    def loss_gradient(x: FloatArray, *args: Any, **kwargs: Any) -> FloatArray:
        gradient: FloatArray = original(x, *args, **kwargs)
        if np.isfinite(gradient).all():
            return gradient
        return classifier.mean_of_art(original, x, *args, **kwargs)

    inner.loss_gradient = loss_gradient
    if classifier.backward_mode.past_squashing:
        inner._loss = classifier.loss
    return attack
