"""Auto-PGD against one class after another: the second part of AutoAttack."""

from __future__ import annotations

import math

from torch import Tensor

from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.steps.tensor_attack import Streams
from estimators.classifier import Classifier


class TargetedAPGD(AutoPGD):
    """APGD on the targeted DLR loss (Croce and Hein 2020, equation 7), class by class.

    Any wrong class counts as success.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        max_iter: int = 100,
        targets: int = 9,
        nb_random_init: int = 1,
        eot_iter: int = 1,
    ) -> None:
        super().__init__(estimator, norm, eps, max_iter, "dlr", nb_random_init, eot_iter=eot_iter)
        self.targets = min(targets, estimator.nb_classes - 1)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Attack each image towards its most likely other classes until one run succeeds."""
        return super().attack(x, y, streams)
