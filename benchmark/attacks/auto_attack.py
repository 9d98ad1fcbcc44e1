"""AutoAttack: several attacks one after another, the worst case image by image."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.deep_fool import DeepFool
from benchmark.attacks.square import Square
from benchmark.attacks.steps.checks import as_budget, as_count, as_two_or_inf
from benchmark.attacks.steps.projections import into_ball
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier


class AutoAttack(TensorAttack):
    """ART's choice of attacks after Croce and Hein 2020: APGD-CE, APGD-DLR, DeepFool, Square.

    Each attacks what the ones before have left standing. DeepFool minimises the L2 norm; its
    result is pulled into the ball and counts where it is still adversarial there. Square is
    left out in L2. ART's class is the same sequence of ART's attacks, with their faults.

    Targeted, success is the target itself, and DeepFool is left out: it goes to whichever
    boundary is nearest. The ratio is that of the paper's equation 7, with the strongest other
    class in the place of the true one. ART's `targeted` means something else: any wrong class,
    looked for by way of each class in turn.
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
        super().__init__(estimator, targeted)
        self.norm = as_two_or_inf(norm, "AutoAttack")
        self.eps = as_budget(eps)
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.queries = as_count(queries, "queries", 1)
        self.nb_random_init = as_count(nb_random_init, "nb_random_init", 0)

    def attack(self, x: torch.Tensor, y: torch.Tensor, streams: Streams) -> torch.Tensor:
        """Images that are wrong already (or the target, if targeted) stay as they are."""
        found = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        for part in self._parts():
            if not len(left):
                break
            own = [streams[i] for i in left.tolist()]
            image = part.attack(x[left], y[left], own)
            image = into_ball(x[left], image, self.eps, self.norm)
            won = self.margin(image, y[left]) < 0
            found[left[won]] = image[won]
            left = left[~won]
        return found

    def _parts(self) -> Iterator[TensorAttack]:
        for loss in ("ce", "dlr"):
            yield AutoPGD(
                self.estimator,
                self.norm,
                self.eps,
                self.max_iter,
                loss,
                self.nb_random_init,
                self.targeted,
            )
        if not self.targeted:
            yield DeepFool(self.estimator)
        if self.norm == math.inf:
            yield Square(self.estimator, self.eps, self.queries, targeted=self.targeted)
