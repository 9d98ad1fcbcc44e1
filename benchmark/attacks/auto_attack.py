"""AutoAttack as published: an ensemble without parameters, the worst case per image."""

from __future__ import annotations

import math

from benchmark.attacks.apgd_targeted import TargetedAPGD
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.ensemble import VERSIONS
from benchmark.attacks.fab import FAB
from benchmark.attacks.square import Square
from benchmark.attacks.steps.cascade import Cascade
from benchmark.attacks.steps.checks import as_budget, as_norm
from benchmark.attacks.steps.tensor_attack import TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError, unknown

STEPS, QUERIES, TARGETS = 100, 5000, 9
# passes that a gradient of `rand` is averaged over
DRAWS = 20
# runs of the untargeted attacks of `plus`, and of APGD-CE in L1
RUNS = 5


class AutoAttack(Cascade):
    """AutoAttack (Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an
    ensemble of diverse parameter-free attacks"), in the norms inf, 2 and 1.

    Each part attacks the images on which those before it failed. What the authors fixed is fixed.
    With fewer than ten classes there are as many targets as wrong classes. In L1 `standard` runs
    APGD-CE five times, and APGD-T against five targets (Croce and Hein 2021, "Mind the box").
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        version: str = "standard",
    ) -> None:
        """version: `standard`; `plus`, with APGD-DLR, FAB untargeted and five runs of the
        untargeted attacks; `rand`, for defences that draw: APGD-CE and APGD-DLR on means over 20
        draws.
        """
        order, budget = as_norm(norm), as_budget(eps)
        if order not in (math.inf, 2.0, 1.0):
            raise InputError(f'attack: AutoAttack expected the norm "inf", 2 or 1, got {norm!r}')
        if version not in VERSIONS:
            raise unknown("version of autoattack", str(version), list(VERSIONS))
        parts = [_part(name, estimator, order, budget, version) for name in VERSIONS[version]]
        super().__init__(estimator, order, budget, parts, draws=DRAWS if version == "rand" else 1)


def _part(name: str, estimator: Classifier, norm: float, eps: float, version: str) -> TensorAttack:
    """Build one part with the authors' parameters."""
    sparse = norm == 1 and version == "standard"
    runs = RUNS if version == "plus" or sparse else 1
    if name == "apgd-t":
        targets = 5 if sparse else TARGETS
        return TargetedAPGD(estimator, norm, eps, STEPS, targets=targets)
    if name == "square":
        return Square(estimator, eps, QUERIES, norm=norm, rescale=False)
    if name == "fab-t":
        return FAB(estimator, norm, STEPS, targets=TARGETS, eps=eps)
    if name == "fab":
        return FAB(estimator, norm, STEPS, restarts=runs, eps=eps)
    loss, draws = name.removeprefix("apgd-"), DRAWS if version == "rand" else 1
    return AutoPGD(estimator, norm, eps, STEPS, loss, runs, eot_iter=draws)
