"""ART's AutoAttack: another choice of attacks in sequence than the published one."""

from __future__ import annotations

import math

from benchmark.attacks.auto_pgd import LOSSES, AutoPGD
from benchmark.attacks.deep_fool import DeepFool
from benchmark.attacks.square import Square
from benchmark.attacks.steps.cascade import Cascade
from benchmark.attacks.steps.checks import as_budget, as_two_or_inf
from benchmark.attacks.steps.tensor_attack import TensorAttack
from estimators.classifier import Classifier


class ArtAutoAttack(Cascade):
    """ART's choice of attacks after Croce and Hein 2020: APGD-CE, APGD-DLR, DeepFool, Square.

    Each attacks the images on which those before it failed. DeepFool minimises the L2 norm; its
    result is projected into the ball and counts where it is still adversarial. Square is left out
    in L2. A targeted attack leaves out DeepFool, which goes to the nearest boundary, and takes the
    ratio of the paper's equation 7, with the strongest other class in the place of the true one.
    ART's `targeted` means something else: it tries each class and accepts any wrong one.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        max_iter: int = 100,
        queries: int = 1000,
        nb_random_init: int = 1,
        targeted: bool = False,
    ) -> None:
        """max_iter, nb_random_init: of both APGD; queries: of Square."""
        order, budget = as_two_or_inf(norm, "AutoAttack"), as_budget(eps)
        parts: list[TensorAttack] = [
            AutoPGD(estimator, norm, eps, max_iter, loss, nb_random_init, targeted)
            for loss in LOSSES
        ]
        if not targeted:
            parts.append(DeepFool(estimator))
        square = Square(estimator, eps, queries, targeted=targeted)
        if order == math.inf:
            parts.append(square)
        super().__init__(estimator, order, budget, parts, targeted)
