"""AutoAttack: several attacks in sequence, the worst case per image."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import torch
from art.attacks.evasion import AutoAttack as StockAutoAttack

from benchmark.attacks import auto_pgd, deep_fool, square
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.deep_fool import DeepFool
from benchmark.attacks.square import Square
from benchmark.attacks.steps.checks import as_budget, as_count, as_norm, as_two_or_inf
from benchmark.attacks.steps.projections import into_ball
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError


class AutoAttack(TensorAttack):
    """ART's choice of attacks after Croce and Hein 2020: APGD-CE, APGD-DLR, DeepFool, Square.

    Each attacks the images on which those before it failed. DeepFool minimises the L2 norm; its
    result is projected into the ball and counts where it is still adversarial. Square is left out
    in L2. ART's class is the same sequence of ART's attacks, with their faults.

    A targeted attack succeeds with its target alone, and leaves out DeepFool, which goes to the
    nearest boundary. The ratio is that of the paper's equation 7, with the strongest other class in
    the place of the true one. ART's `targeted` means something else: it tries each class in turn
    and accepts any wrong one.
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
        """Run all parts; images that are wrong already (or the target) stay unchanged."""
        x_adv = x.clone()
        left = (self.margin(x, y) >= 0).nonzero().flatten()
        for part in self._parts():
            if not len(left):
                break
            own = [streams[i] for i in left.tolist()]
            image = part.attack(x[left], y[left], own)
            image = into_ball(x[left], image, self.eps, self.norm)
            won = self.margin(image, y[left]) < 0
            x_adv[left[won]] = image[won]
            left = left[~won]
        return x_adv

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


def stock(
    classifier: Classifier, queries: int, targeted: bool = False, **params: Any
) -> StockAutoAttack:
    """Build ART's own class with the parts that it would make itself, and our parameters.

    `check_attack` refuses targets. Raises InputError without the package multiprocess.
    """
    if importlib.util.find_spec("multiprocess") is None:
        raise InputError(
            "attack autoattack: ART's class needs the package multiprocess, which ART does not"
            " declare: install it, or leave engine: stock out"
        )
    bounds = {"eps": params["eps"], "norm": as_norm(params["norm"])}
    parts = [
        *(auto_pgd.stock(classifier, loss=loss, **params) for loss in auto_pgd.LOSSES),
        deep_fool.stock(classifier, overshoot=1e-3, max_iter=100),
        square.stock(classifier, queries, **bounds),
    ]
    step = 2 * params["eps"]
    return StockAutoAttack(classifier, attacks=parts, eps_step=step, batch_size=BATCH, **bounds)
